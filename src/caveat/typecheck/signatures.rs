//! The functions and operators that expressions may use: what they take and what they give.

use crate::caveat::typecheck::types::{Type, TypeBindings};
use std::collections::HashMap;
use std::sync::LazyLock;

/// One function a line: its names, its overloads' parameters, and the result of all of them.
///
/// Operators have the names that the parser gives them. A name that begins with a point is a method's, whose first
/// parameter is what it is called on. `A` and `B` each stand for one type throughout an overload.
const SIGNATURES: &str = "
_==_ _!=_ : A A -> bool
_<_ _<=_ _>_ _>=_ : bool bool | int int | uint uint | double double | string string | bytes bytes -> bool
_<_ _<=_ _>_ _>=_ : duration duration | timestamp timestamp -> bool
@in : A list<A> | A map<A,B> -> bool
_+_ _-_ _*_ _/_ _%_ : int int -> int
_+_ _-_ _*_ _/_ _%_ : uint uint -> uint
_+_ _-_ _*_ _/_ : double double -> double
_+_ : string string -> string
_+_ : bytes bytes -> bytes
_+_ : list<A> list<A> -> list<A>
_+_ _-_ : duration duration -> duration
_+_ _-_ : timestamp duration -> timestamp
_+_ : duration timestamp -> timestamp
_-_ : timestamp timestamp -> duration
-_ : int -> int
-_ : double -> double
size .size : string | bytes | list<A> | map<A,B> -> int
.contains .startsWith .endsWith matches .matches : string string -> bool
.getFullYear .getMonth .getDate .getDayOfMonth .getDayOfWeek .getDayOfYear : timestamp | timestamp string -> int
.getHours .getMinutes .getSeconds .getMilliseconds : timestamp | timestamp string | duration -> int
bool : bool | string -> bool
int : int | uint | double | string | duration | timestamp -> int
uint : uint | int | double | string -> uint
double : double | int | uint | string -> double
string : string | bool | int | uint | double | bytes | duration | timestamp -> string
bytes : bytes | string -> bytes
duration : duration | string -> duration
timestamp : timestamp | int | string -> timestamp
type : A -> type
dyn : A -> any
optional.of optional.ofNonZeroValue : A -> optional<A>
optional.none : -> optional<A>
.hasValue : optional<A> -> bool
.value : optional<A> -> A
.or : optional<A> optional<A> -> optional<A>
.orValue : optional<A> A -> A
.in_cidr : ipaddress string -> bool
.isSubtreeOf : map<string,any> map<string,any> -> bool
";

/// The types of the parameters, and of the result.
type Overload = (Vec<Type>, Type);

static OVERLOADS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut overloads: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    for line in SIGNATURES.lines() {
        let Some((names, rest)) = line.split_once(" :") else { continue };
        let Some((parameters, result)) = rest.split_once("-> ") else { continue };
        for name in names.split(' ') {
            let own = overloads.entry(name).or_default();
            own.extend(parameters.split('|').map(|parameters| {
                (parameters.split_whitespace().map(Type::read).collect(), Type::read(result))
            }));
        }
    }
    overloads
});

/// Whether there is a function of this name.
pub(in crate::caveat) fn is_function(name: &str) -> bool {
    OVERLOADS.contains_key(name)
}

/// The names of the functions, operators left out, methods without their point.
pub(in crate::caveat) fn names() -> impl Iterator<Item = &'static str> {
    let names = OVERLOADS.keys().map(|name| name.trim_start_matches('.'));
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// The type of what a function gives for arguments of these types; `None` when no overload takes them.
pub(in crate::caveat) fn result(name: &str, arguments: &[Type]) -> Option<Type> {
    let results = OVERLOADS.get(name)?.iter().filter_map(|(parameters, result)| {
        let mut bindings = TypeBindings::default();
        let fits = parameters.len() == arguments.len()
            && parameters.iter().zip(arguments).all(|(p, a)| bindings.accept(p, a));
        fits.then(|| bindings.applied(result))
    });
    results.reduce(|first, other| if first == other { first } else { Type::Any })
}
