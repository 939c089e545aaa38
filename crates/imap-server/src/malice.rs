//! Answers that no honest server gives.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::chance::Chance;

/// A way to answer a command dishonestly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malice {
    /// OK to what was not done.
    FalseOk,
    /// NO to what was done.
    FalseNo,
    /// The answer under another tag.
    WrongTag,
    /// The tagged answer twice.
    TwoAnswers,
    /// A continuation that nobody waits for.
    Continuation,
    /// A message that is not there, under a UID that may be another's.
    FalseMessage,
    /// Numbers of messages, UIDs and validities that cannot be.
    FalseNumbers,
    /// What was said to the command before, once more.
    Repeated,
    /// What was said to this command, its lines in reverse order.
    Reversed,
    /// UIDVALIDITY and UID of APPENDUID swapped.
    SwappedUids,
    /// A literal of four gigabytes is announced.
    HugeLiteral,
    /// A list a hundred thousand deep.
    DeepList,
    /// A line of two megabytes.
    LongLine,
    /// A hundred thousand responses.
    ManyResponses,
    /// Octets without sense.
    Noise,
    /// The connection ends within a response.
    Torn,
}

impl Malice {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::FalseOk,
        Self::FalseNo,
        Self::WrongTag,
        Self::TwoAnswers,
        Self::Continuation,
        Self::FalseMessage,
        Self::FalseNumbers,
        Self::Repeated,
        Self::Reversed,
        Self::SwappedUids,
        Self::HugeLiteral,
        Self::DeepList,
        Self::LongLine,
        Self::ManyResponses,
        Self::Noise,
        Self::Torn,
    ];

    pub(crate) fn drawn(rng: &mut ChaCha8Rng) -> Self {
        Self::ALL[rng.below(Self::ALL.len() as u32) as usize]
    }

    /// Whether the command is not run at all.
    pub(crate) fn prevents(self) -> bool {
        self == Self::FalseOk
    }

    /// Makes of an honest answer, which may be empty, a dishonest one. `before` is the answer before it.
    pub(crate) fn spoil(self, tag: &str, honest: Vec<u8>, before: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
        let with_head = |head: &[u8]| [head, &honest].concat();
        match self {
            Self::FalseOk => format!("{tag} OK Completed\r\n").into_bytes(),
            Self::FalseNo => format!("{tag} NO Failed\r\n").into_bytes(),
            Self::WrongTag => honest.to_vec().replaced(tag, "ZZZ"),
            Self::TwoAnswers => [honest.as_slice(), format!("{tag} OK Again\r\n").as_bytes()].concat(),
            Self::Continuation => with_head(b"+ go on\r\n"),
            Self::FalseMessage => {
                let uid = rng.below(6);
                let text = "From: mallory@example.org\r\nSubject: mine\r\n\r\nnot yours\r\n";
                with_head(
                    format!(
                        "* 1 FETCH (UID {uid} FLAGS (\\Deleted) RFC822.SIZE {} BODY[] {{{}}}\r\n{text})\r\n",
                        rng.next_u32(),
                        text.len()
                    )
                    .as_bytes(),
                )
            }
            Self::FalseNumbers => {
                let lines = [
                    "* 0 EXISTS",
                    "* 4294967295 EXISTS",
                    "* 99999999999999999999 EXISTS",
                    "* 4000000000 EXPUNGE",
                    "* 0 EXPUNGE",
                    "* OK [UIDVALIDITY 0] none",
                    "* OK [UIDNEXT 0] none",
                    "* OK [UIDNEXT 4294967296] none",
                    "* 1 FETCH (UID 0 FLAGS ())",
                    "* SEARCH 0 4294967295 1 1",
                ];
                let line = lines[rng.below(lines.len() as u32) as usize];
                with_head(format!("{line}\r\n").as_bytes())
            }
            Self::Repeated => [before, &honest].concat(),
            Self::Reversed => {
                let mut lines: Vec<&[u8]> = honest.split_inclusive(|octet| *octet == b'\n').collect();
                lines.reverse();
                lines.concat()
            }
            Self::SwappedUids => swapped(honest),
            Self::HugeLiteral => with_head(b"* 1 FETCH (UID 1 BODY[] {4294967295}\r\n"),
            Self::DeepList => {
                let deep = [b"* 1 FETCH (BODYSTRUCTURE ".as_slice(), &b"(".repeat(100_000)].concat();
                [deep.as_slice(), b"\r\n", &honest].concat()
            }
            Self::LongLine => [b"* OK ".as_slice(), &b"x".repeat(2 << 20), b"\r\n", &honest].concat(),
            Self::ManyResponses => [b"* 1 EXISTS\r\n".repeat(100_000).as_slice(), &honest].concat(),
            Self::Noise => {
                let mut noise = vec![0; 1 + rng.below(400) as usize];
                rng.fill_bytes(&mut noise);
                noise.extend_from_slice(b"\r\n");
                with_head(&noise)
            }
            Self::Torn => honest[..honest.len() / 2].to_vec(),
        }
    }

    /// Whether the connection ends after it.
    pub(crate) fn ends(self) -> bool {
        self == Self::Torn
    }
}

trait Replaced {
    fn replaced(self, tag: &str, other: &str) -> Self;
}

impl Replaced for Vec<u8> {
    /// With another tag before the last line.
    fn replaced(self, tag: &str, other: &str) -> Self {
        let start = self[..self.len().saturating_sub(2)].iter().rposition(|octet| *octet == b'\n');
        let (head, last) = self.split_at(start.map_or(0, |start| start + 1));
        match last.strip_prefix(tag.as_bytes()) {
            Some(rest) => [head, other.as_bytes(), rest].concat(),
            None => self,
        }
    }
}

/// The two numbers of APPENDUID in the other order.
fn swapped(answer: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&answer);
    let Some((head, rest)) = text.split_once("[APPENDUID ") else { return answer };
    let Some((numbers, tail)) = rest.split_once(']') else { return answer.clone() };
    let Some((validity, uid)) = numbers.split_once(' ') else { return answer.clone() };
    format!("{head}[APPENDUID {uid} {validity}]{tail}").into_bytes()
}
