//! What a run came to.

use std::fmt;

/// The counts of a run. Only what `Report::failures` names is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Customer messages that were sent to us, each counted once.
    pub expected: usize,
    /// Of those, how many are stored.
    pub stored: usize,
    /// Events that arrived again and changed nothing.
    pub duplicates_absorbed: usize,
    /// Messages that are nowhere.
    pub lost: usize,
    /// Messages, contacts or conversations that exist more than once.
    pub twice: usize,
    /// Messages that stand before one that is older, and previews that are not of the newest one.
    pub order_violations: usize,
    /// Conversations whose unread count is wrong.
    pub unread_differences: usize,
    /// Conversations whose window is wrong.
    pub window_differences: usize,
    /// Messages that were reacted to, edited or deleted.
    pub changed: usize,
    /// Messages that do not end as these changes leave them.
    pub change_differences: usize,
    /// Customers who changed their number.
    pub moved: usize,
    /// Messages that the business wrote on its phone.
    pub echoes: usize,
    /// Of those, how many are missing, are there twice, or are not shown as read.
    pub echo_differences: usize,
    /// Files that customers sent.
    pub files: usize,
    /// Of those, how many are not stored with their own bytes.
    pub file_differences: usize,
    /// Objects in the bucket that belong to no message.
    pub orphan_media: usize,
    /// Planted malformed items that are parked.
    pub parked: usize,
    /// How many were planted.
    pub planted: usize,
    /// Parked items that nobody planted.
    pub parked_by_mistake: usize,
    /// Queue messages that were given up.
    pub dead_letters: usize,
    /// Replies that agents wrote.
    pub replies: usize,
    /// Of those, how many Meta took, and are shown as read.
    pub read: usize,
    /// Of those, how many Meta did not take, and are flagged as failed or unknown.
    pub flagged: usize,
    /// Replies that reached Meta more than once.
    pub sent_twice: usize,
    /// Replies whose state is not what became of them.
    pub wrong_states: usize,
    /// Faults that happened.
    pub faults: u64,
    /// Calls to AWS.
    pub calls: u64,
    /// Instances that were killed.
    pub killed: u64,
    /// Things that were not finished in time.
    pub unfinished: usize,
}

impl Report {
    /// What is wrong, if anything.
    pub fn failures(&self) -> Vec<String> {
        let must_be_none = [
            ("lost", self.lost),
            ("twice", self.twice),
            ("order violations", self.order_violations),
            ("unread differences", self.unread_differences),
            ("window differences", self.window_differences),
            ("change differences", self.change_differences),
            ("echo differences", self.echo_differences),
            ("file differences", self.file_differences),
            ("orphan media", self.orphan_media),
            ("parked by mistake", self.parked_by_mistake),
            ("dead letters", self.dead_letters),
            ("sent twice", self.sent_twice),
            ("wrong states", self.wrong_states),
            ("unfinished", self.unfinished),
        ];
        let mut failures: Vec<_> = must_be_none
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        if self.stored != self.expected {
            failures.push(format!("{} stored of {}", self.stored, self.expected));
        }
        if self.parked != self.planted {
            failures.push(format!("{} parked of {} planted", self.parked, self.planted));
        }
        if self.read + self.flagged != self.replies {
            failures.push(format!("{} replies read and {} flagged of {}", self.read, self.flagged, self.replies));
        }
        failures
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} calls to AWS, {} faults, {} instances killed", self.calls, self.faults, self.killed)?;
        writeln!(
            f,
            "replies {}: {} read, {} flagged, {} sent twice, {} wrong states; {} unfinished",
            self.replies, self.read, self.flagged, self.sent_twice, self.wrong_states, self.unfinished
        )?;
        writeln!(
            f,
            "echoes {}, of them {} wrong; files {}, of them {} wrong; {} customers changed their number",
            self.echoes, self.echo_differences, self.files, self.file_differences, self.moved
        )?;
        write!(
            f,
            "stored {} of {}, duplicates absorbed {}, lost {}, twice {}, order violations {}, unread differences {}, \
             window differences {}, change differences {} of {}, parked {} of {} planted and {} others, dead letters {}, \
             orphan media {}",
            self.stored,
            self.expected,
            self.duplicates_absorbed,
            self.lost,
            self.twice,
            self.order_violations,
            self.unread_differences,
            self.window_differences,
            self.change_differences,
            self.changed,
            self.parked,
            self.planted,
            self.parked_by_mistake,
            self.dead_letters,
            self.orphan_media
        )
    }
}
