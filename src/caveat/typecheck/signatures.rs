//! The signatures of the functions and operators that expressions may use.

use crate::caveat::typecheck::types::{Type, TypeBindings};
use std::collections::HashMap;
use std::sync::LazyLock;

/// One line per group of functions: names, parameters of the overloads, and the common result.
///
/// Operators have the parser's names. A name that starts with a dot is a method, whose first parameter is its target. `A`
/// and `B` are type variables of an overload.
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

/// The parameter types and the result type.
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

/// Whether a function has this name.
pub(in crate::caveat) fn is_function(name: &str) -> bool {
    OVERLOADS.contains_key(name)
}

/// The names of the functions without operators; methods without their dot.
pub(in crate::caveat) fn names() -> impl Iterator<Item = &'static str> {
    let names = OVERLOADS.keys().map(|name| name.trim_start_matches('.'));
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// The result type of a function for these argument types; `None` when no overload accepts them.
pub(in crate::caveat) fn result(name: &str, arguments: &[Type]) -> Option<Type> {
    let results = OVERLOADS.get(name)?.iter().filter_map(|(parameters, result)| {
        let mut bindings = TypeBindings::default();
        let fits = parameters.len() == arguments.len()
            && parameters.iter().zip(arguments).all(|(p, a)| bindings.accept(p, a));
        fits.then(|| bindings.applied(result))
    });
    results.reduce(|first, other| if first == other { first } else { Type::Any })
}
