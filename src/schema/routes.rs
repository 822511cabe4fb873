//! Reverse edges of the schema graph: the routes from subjects to a relation or permission, used by `LookupResources`.

use crate::schema::model::{
    AllowedForm, AllowedSubject, Arrow, DefinitionId, Expr, Node, NodeId, Quantifier, Rule,
};
use std::collections::{BTreeMap, BTreeSet};

/// Every way into one relation or permission, the *target*. A node that plays a part in one of them is a *station*.
///
/// Of an intersection only one operand is followed, and of an exclusion only the base: every subject of the whole is in
/// it too. So the routes lead to every member, and those that are not `certain` to others as well.
#[derive(Debug, Default)]
pub struct Routes {
    onward: BTreeMap<NodeId, Vec<Route>>,
    starts: BTreeMap<DefinitionId, Vec<EntryPoint>>,
    ends: BTreeMap<NodeId, RouteEnd>,
}

/// A step from one station to the next: who is in a station of one object is in the next station of some objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The next station.
    pub to: NodeId,
    /// On which objects.
    pub way: RouteStep,
    /// Whether nothing else has to hold, but for caveats on the relationships.
    pub certain: bool,
}

/// From which object to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteStep {
    /// To the same object.
    SameObject,
    /// To every object on which it stands in a relation.
    Related(RelationEdge),
}

/// A relation with one form of its subjects: where to look for relationships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelationEdge {
    /// The relation.
    pub relation: NodeId,
    /// The subjects' type.
    pub subject_type: DefinitionId,
    /// The subjects' relation.
    pub subject_relation: Option<NodeId>,
}

/// A first step: from an object, as a subject, to a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// The station.
    pub to: NodeId,
    /// On which objects.
    pub form: EntryForm,
    /// Whether nothing else has to hold, but for caveats on the relationships.
    pub certain: bool,
}

/// The objects on which a subject enters a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryForm {
    /// Those whose relation, the station, names the subject.
    Object,
    /// Those whose relation, the station, names everything of the subject's type.
    Wildcard,
    /// The subject itself.
    Itself,
}

/// A station from which only steps on the same object are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteEnd {
    /// Whether these steps are certain.
    pub certain: bool,
    /// How many they are at least.
    pub steps: usize,
}

impl Routes {
    /// The routes to a target.
    pub(super) fn to(target: NodeId, nodes: &[Node]) -> Self {
        let mut routes = Self::default();
        let mut seen = BTreeSet::from([target]);
        let mut open = vec![target];

        while let Some(node) = open.pop().and_then(|id| nodes.get(id.index())) {
            for arrival in Arrivals::at(node, nodes).0 {
                let (to, certain) = (node.id, arrival.certain);
                match arrival.from {
                    From::Type(definition, form) => {
                        routes.starts.entry(definition).or_default().push(EntryPoint {
                            to,
                            form,
                            certain,
                        });
                    }
                    From::Station(from, way) => {
                        let route = Route { to, way, certain };
                        routes.onward.entry(from).or_default().push(route);
                        if seen.insert(from) {
                            open.push(from);
                        }
                    }
                }
            }
        }

        routes.ends = routes.find_ends(target, &seen);
        routes
    }

    /// Every station from which a step leads on, in id order.
    pub fn stations(&self) -> impl Iterator<Item = NodeId> {
        self.onward.keys().copied()
    }

    /// The steps from a station.
    pub fn onward(&self, station: NodeId) -> &[Route] {
        self.onward.get(&station).map_or(&[], Vec::as_slice)
    }

    /// The first steps from an object of a type.
    pub fn starts(&self, definition: DefinitionId) -> &[EntryPoint] {
        self.starts.get(&definition).map_or(&[], Vec::as_slice)
    }

    /// The rest of the route, when it consists of steps on the same object.
    pub fn end(&self, station: NodeId) -> Option<RouteEnd> {
        self.ends.get(&station).copied()
    }

    /// The largest set of stations of which every step stays on the same object and in the set. Every station leads to
    /// the target, so either it is in the set or the set is empty.
    fn find_ends(&self, target: NodeId, stations: &BTreeSet<NodeId>) -> BTreeMap<NodeId, RouteEnd> {
        let mut staying = stations.clone();
        loop {
            let before = staying.len();
            let stays =
                |route: &Route| route.way == RouteStep::SameObject && staying.contains(&route.to);
            staying = staying
                .iter()
                .copied()
                .filter(|station| self.onward(*station).iter().all(stays))
                .collect();
            if staying.len() == before {
                break;
            }
        }

        if !staying.contains(&target) {
            return BTreeMap::new();
        }
        let steps = self.steps_to(target, &staying, |_| true);
        let certain = self.steps_to(target, &staying, |route| route.certain);
        let end = |(station, steps)| {
            (station, RouteEnd { steps, certain: certain.contains_key(&station) })
        };
        steps.into_iter().map(end).collect()
    }

    /// How far it is to the target, from each station of a set from which some of the steps lead there.
    fn steps_to(
        &self,
        target: NodeId,
        stations: &BTreeSet<NodeId>,
        follows: impl Fn(&Route) -> bool,
    ) -> BTreeMap<NodeId, usize> {
        let mut found = BTreeMap::from([(target, 0)]);
        let mut steps = 0;

        loop {
            steps += 1;
            let leads = |station: &NodeId| {
                let mut routes = self.onward(*station).iter();
                routes.any(|route| follows(route) && found.contains_key(&route.to))
            };
            let next: Vec<NodeId> = stations
                .iter()
                .copied()
                .filter(|it| !found.contains_key(it) && leads(it))
                .collect();
            if next.is_empty() {
                return found;
            }
            found.extend(next.into_iter().map(|station| (station, steps)));
        }
    }
}

/// How subjects come into one node.
struct Arrivals(Vec<Arrival>);

struct Arrival {
    from: From,
    certain: bool,
}

enum From {
    Type(DefinitionId, EntryForm),
    Station(NodeId, RouteStep),
}

impl Arrivals {
    fn at(node: &Node, nodes: &[Node]) -> Self {
        let mut arrivals = Self(Vec::new());
        match &node.rule {
            Rule::Relation(subjects) => arrivals.add_relation(node.id, subjects),
            Rule::Permission(expr) => arrivals.add_permission(node, expr, nodes),
        }
        arrivals
    }

    fn add(&mut self, from: From, certain: bool) {
        self.0.push(Arrival { from, certain });
    }

    fn add_relation(&mut self, relation: NodeId, subjects: &[AllowedSubject]) {
        // A form may be allowed with several caveats.
        let forms: BTreeSet<_> = subjects.iter().map(|it| (it.definition, it.form)).collect();
        for (subject_type, form) in forms {
            let from = match form {
                AllowedForm::Object => From::Type(subject_type, EntryForm::Object),
                AllowedForm::Wildcard => From::Type(subject_type, EntryForm::Wildcard),
                AllowedForm::Userset(userset) => {
                    let subject_relation = Some(userset);
                    let stored = RelationEdge { relation, subject_type, subject_relation };
                    From::Station(userset, RouteStep::Related(stored))
                }
            };
            self.add(from, true);
        }
    }

    fn add_permission(&mut self, node: &Node, expr: &Expr, nodes: &[Node]) {
        let mut open = vec![(expr, true)];
        while let Some((expr, certain)) = open.pop() {
            match expr {
                Expr::Nil => {}
                Expr::Itself => self.add(From::Type(node.definition, EntryForm::Itself), certain),
                Expr::Node(from) => self.add(From::Station(*from, RouteStep::SameObject), certain),
                Expr::Arrow(arrow) => self.add_arrow(arrow, certain),
                Expr::Union(operands) => {
                    open.extend(operands.iter().map(|operand| (operand, certain)));
                }
                Expr::Intersection(operands) => {
                    let narrowest = operands.iter().min_by_key(|operand| width(operand, nodes));
                    open.extend(narrowest.map(|operand| (operand, false)));
                }
                Expr::Exclusion(base, _) => open.push((base, false)),
            }
        }
    }

    fn add_arrow(&mut self, arrow: &Arrow, certain: bool) {
        let certain = certain && arrow.quantifier == Quantifier::Any;
        for branch in &arrow.branches {
            let Some(target) = branch.target else { continue };
            let stored = RelationEdge {
                relation: arrow.tupleset,
                subject_type: branch.definition,
                subject_relation: branch.subject_relation,
            };
            self.add(From::Station(target, RouteStep::Related(stored)), certain);
        }
    }
}

/// A rough estimate of the routes that an expression adds. Arrows, which lead to everything below an object, weigh more
/// than anything else.
fn width(expr: &Expr, nodes: &[Node]) -> (usize, usize) {
    let (mut arrows, mut forms) = (0, 0);
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Expr> = vec![expr];
    let mut stations: Vec<NodeId> = Vec::new();

    loop {
        if let Some(expr) = open.pop() {
            match expr {
                Expr::Nil => {}
                Expr::Itself => forms += 1,
                Expr::Node(node) => stations.push(*node),
                Expr::Arrow(arrow) => {
                    arrows += 1;
                    stations.extend(arrow.branches.iter().filter_map(|branch| branch.target));
                }
                Expr::Union(operands) | Expr::Intersection(operands) => open.extend(operands),
                Expr::Exclusion(base, _) => open.push(base),
            }
        } else if let Some(id) = stations.pop() {
            let Some(node) = nodes.get(id.index()).filter(|_| seen.insert(id)) else { continue };
            match &node.rule {
                Rule::Permission(expr) => open.push(expr),
                Rule::Relation(subjects) => {
                    forms += subjects.len();
                    stations.extend(subjects.iter().filter_map(|subject| match subject.form {
                        AllowedForm::Userset(userset) => Some(userset),
                        AllowedForm::Object | AllowedForm::Wildcard => None,
                    }));
                }
            }
        } else {
            return (arrows, forms);
        }
    }
}
