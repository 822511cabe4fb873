//! A social network: a few people have very many followers, and most have one (a power law). A post is for its author's followers.

use super::data::{WorkloadData, WrittenRelation};
use crate::bench::draw::{Draw, hash};
use crate::bench::model::{
    BenchObject, BenchTuple, CheckItem, LookupItem, check, id, object, resources, subjects, tuple,
    userset_tuple,
};
use crate::bench::numbers::{to_f64, whole};
use std::collections::BTreeSet;

const SCHEMA: &str = "definition user {
  relation follower: user
  permission fan = follower
}

definition post {
  relation author: user
  relation shared: user#follower
  permission view = author + author->fan + shared
}
";

/// The most followed person is followed by one of so many, the n-th by an n-th of that.
const FOLLOWED_BY: u32 = 8;
/// One of so many posts is shared with the followers of another person.
const SHARED_EVERY: u64 = 4;

pub(super) struct SocialData {
    seed: u64,
    users: u32,
}

impl SocialData {
    pub(super) fn new(relationships: u64, seed: u64) -> Self {
        // A follower and a post each, a quarter of them shared, and the sum of the power law.
        let law = (to_f64(relationships) / 24.0).max(1.0).ln() / f64::from(FOLLOWED_BY);
        let users = whole(to_f64(relationships) / (2.25 + law));
        Self { seed, users: u32::try_from(users).unwrap_or(u32::MAX).max(64) }
    }

    fn followers(&self, person: u32) -> u32 {
        (self.users / FOLLOWED_BY / (person + 1)).max(1)
    }

    /// The followers of a person are neighbours in a ring, from this one on.
    fn first_follower(&self, person: u32) -> u32 {
        self.drawn(u64::from(person))
    }

    fn follower(&self, person: u32, number: u32) -> u32 {
        let place = u64::from(self.first_follower(person)) + u64::from(number);
        u32::try_from(place % u64::from(self.users)).unwrap_or_default()
    }

    fn follows(&self, follower: u32, person: u32) -> bool {
        let users = u64::from(self.users);
        let distance = u64::from(follower) + users - u64::from(self.first_follower(person));
        distance % users < u64::from(self.followers(person))
    }

    /// The person with whose followers a post is shared.
    fn shared_with(&self, post: u32) -> Option<u32> {
        let number = 1 << 40 | u64::from(post);
        hash(self.seed, number).is_multiple_of(SHARED_EVERY).then(|| self.drawn(number + (1 << 40)))
    }

    fn can_view(&self, post: u32, person: u32) -> bool {
        // The post of a person has the person's number.
        post == person
            || self.follows(person, post)
            || self.shared_with(post).is_some_and(|other| self.follows(person, other))
    }

    fn drawn(&self, number: u64) -> u32 {
        u32::try_from(hash(self.seed, number) % u64::from(self.users)).unwrap_or_default()
    }
}

impl WorkloadData for SocialData {
    fn schema(&self) -> &'static str {
        SCHEMA
    }

    fn units(&self) -> u32 {
        self.users
    }

    fn write_unit(&self, person: u32, take: &mut dyn FnMut(BenchTuple)) {
        for number in 0..self.followers(person) {
            take(tuple(user(person), "follower", user(self.follower(person, number))));
        }
        take(tuple(post(person), "author", user(person)));
        if let Some(other) = self.shared_with(person) {
            take(userset_tuple(post(person), "shared", user(other), "follower"));
        }
    }

    fn check(&self, draw: &mut Draw) -> CheckItem {
        let author = draw.pick(self.users);
        let person = if draw.happens(50) {
            self.follower(author, draw.below(self.followers(author)))
        } else {
            draw.below(self.users)
        };
        check(post(author), "view", user(person), self.can_view(author, person))
    }

    fn lookup_resources(&self, draw: &mut Draw) -> LookupItem {
        let person = draw.below(self.users);
        let found = (0..self.users).filter(|number| self.can_view(*number, person));
        resources("post", "view", user(person), found.map(|number| post(number).id))
    }

    fn lookup_subjects(&self, draw: &mut Draw) -> LookupItem {
        let author = draw.pick(self.users);
        let mut found = BTreeSet::from([author]);
        for person in [Some(author), self.shared_with(author)].into_iter().flatten() {
            found.extend((0..self.followers(person)).map(|number| self.follower(person, number)));
        }
        subjects(post(author), "view", "user", found.into_iter().map(|person| user(person).id))
    }

    fn written(&self) -> WrittenRelation {
        WrittenRelation { kind: "post", relation: "author", permission: "view" }
    }

    fn lookups(&self) -> u32 {
        // Finding the right answer takes a look at every person.
        64
    }
}

fn user(person: u32) -> BenchObject {
    object("user", id("u", person))
}

fn post(number: u32) -> BenchObject {
    object("post", id("p", number))
}
