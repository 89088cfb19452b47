//! Who gets a conversation that nobody looks after (REQUIREMENTS IN-12).

use crate::ids::{ConversationId, UserId};
use crate::tenant::Role;
use sha2::{Digest, Sha256};

/// Somebody who could be given a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Who.
    pub user: &'a UserId,
    /// What they may do.
    pub role: Role,
    /// Whether they are there.
    pub online: bool,
    /// Their last turn: the larger, the later; 0 if they never had one.
    pub turn: u64,
}

/// Somebody's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// Their last turn, on which the decision rests.
    pub last: u64,
    /// This turn.
    pub this: u64,
}

/// Whose turn it is: of those who are online and may write, whoever has waited longest. Among those who
/// have waited equally long the conversation decides, so that several that come at once are spread.
///
/// The same question has the same answer, whoever asks.
pub fn next<'a>(candidates: &[Candidate<'a>], conversation: ConversationId) -> Option<Turn<'a>> {
    let may = candidates.iter().filter(|one| one.online && one.role.may_write());
    let chosen = may.min_by_key(|one| (one.turn, lot(conversation, one.user)))?;
    let latest = candidates.iter().map(|one| one.turn).max().unwrap_or_default();
    Some(Turn { user: chosen.user, last: chosen.turn, this: latest + 1 })
}

/// The lot that a person draws for a conversation; the smallest wins.
fn lot(conversation: ConversationId, user: &UserId) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(conversation.to_bits().to_be_bytes());
    hash.update(user.as_str().as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn users(count: u8) -> Vec<UserId> {
        (0..count).map(|number| UserId::parse(format!("user-{number}")).unwrap()).collect()
    }

    fn waiting(user: &UserId, turn: u64) -> Candidate<'_> {
        Candidate { user, role: Role::Agent, online: true, turn }
    }

    fn chosen<'a>(candidates: &[Candidate<'a>], conversation: u128) -> Option<&'a UserId> {
        next(candidates, ConversationId::from_bits(conversation)).map(|turn| turn.user)
    }

    #[test]
    fn only_who_is_online_and_may_write_gets_one() {
        let users = users(3);
        let away = Candidate { online: false, ..waiting(&users[0], 0) };
        let viewer = Candidate { role: Role::Viewer, ..waiting(&users[1], 0) };
        assert_eq!(chosen(&[away.clone(), viewer.clone()], 1), None);
        assert_eq!(chosen(&[away, viewer, waiting(&users[2], 9)], 1), Some(&users[2]));
    }

    #[test]
    fn whoever_comes_back_gets_one_and_not_all() {
        let users = users(2);
        let turn = next(&[waiting(&users[0], 100), waiting(&users[1], 0)], ConversationId::from_bits(1)).unwrap();
        assert_eq!(turn, Turn { user: &users[1], last: 0, this: 101 });
        assert_eq!(chosen(&[waiting(&users[0], 100), waiting(&users[1], 101)], 1), Some(&users[0]));
    }

    proptest! {
        #[test]
        fn each_gets_one_in_turn(count in 1_u8..8, conversations in prop::collection::vec(any::<u128>(), 1..60)) {
            let users = users(count);
            let mut last = vec![0; users.len()];
            let mut given = vec![0_usize; users.len()];
            for bits in conversations {
                let all: Vec<_> = users.iter().zip(&last).map(|(user, last)| waiting(user, *last)).collect();
                let turn = next(&all, ConversationId::from_bits(bits)).unwrap();
                let place = users.iter().position(|user| user == turn.user).unwrap();
                (last[place], given[place]) = (turn.this, given[place] + 1);
            }
            let (least, most) = (given.iter().min().unwrap(), given.iter().max().unwrap());
            prop_assert!(most - least <= 1, "not in turn: {given:?}");
        }

        #[test]
        fn those_who_wait_equally_long_share_what_comes_at_once(seed: u64) {
            let users = users(4);
            let all: Vec<_> = users.iter().map(|user| waiting(user, 0)).collect();
            let mut given = [0_u32; 4];
            for number in 0..400_u128 {
                let user = chosen(&all, (u128::from(seed) << 64) | number).unwrap();
                given[users.iter().position(|other| other == user).unwrap()] += 1;
            }
            // 100 each on average; seven standard deviations away.
            prop_assert!(given.iter().all(|given| (40..=160).contains(given)), "{given:?}");
        }
    }
}
