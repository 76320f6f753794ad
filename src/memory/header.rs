//! The header of a segment: the ring's configuration, written once and checked before anything
//! else.

use crate::memory::layout::Layout;
use crate::types::config::{Config, Delivery, Redelivery, SlotClass, Writers};
use crate::types::frame::Frame;
use std::time::Duration;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `"seqring\n"` as a number in the byte order of the creator: in another byte order it is another
/// number.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"seqring\n");
/// The version that this build writes.
pub(crate) const VERSION: u32 = 2;
/// The oldest version that this build still opens.
const OLDEST_VERSION: u32 = 2;

/// The header: written once before the segment has a name, copied once by every opener, never read
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(crate) struct Superblock {
    magic: u64,
    version: u32,
    /// The oldest version whose readers understand this segment.
    oldest_version: u32,
    /// Over all that follows up to `id`: see [`Superblock::checksum`].
    checksum: u64,
    total_bytes: u64,
    slots: u64,
    slot_bytes: u64,
    first_sequence: u64,
    participants: u32,
    slot_class: u32,
    delivery: u32,
    writers: u32,
    flags: u32,
    meta_bytes: u32,
    frame_kind: u8,
    frame_dimensions: u8,
    frame_bits: u16,
    /// 0: never.
    evict_after_ms: u32,
    frame_shape: [u64; 8],
    user_words: u32,
    await_readers: u32,
    /// Random: distinguishes a segment from another of the same name.
    pub(crate) id: [u8; 16],
    /// The creator's process, and its clock at creation (`CLOCK_REALTIME`, ns).
    pub(crate) creator_pid: u64,
    pub(crate) created_ns: u64,
}

const FLAG_TAG: u32 = 1;
const FLAG_TIMESTAMP: u32 = 1 << 1;
const FLAG_OBSERVERS: u32 = 1 << 2;
const FLAG_KEEP: u32 = 1 << 3;
const FLAG_DROP_UNFINISHED: u32 = 1 << 4;
const FLAGS_KNOWN: u32 = FLAG_TAG | FLAG_TIMESTAMP | FLAG_OBSERVERS | FLAG_KEEP | FLAG_DROP_UNFINISHED;

impl Superblock {
    /// For a segment that this process creates now.
    pub(crate) fn fresh(layout: &Layout) -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self::new(
            layout,
            random_id(),
            std::process::id(),
            since_epoch.map_or(0, |time| time.as_nanos() as u64),
        )
    }

    pub(crate) fn new(layout: &Layout, id: [u8; 16], creator_pid: u32, created_ns: u64) -> Self {
        let config = &layout.config;
        let frame = config.frame.unwrap_or_default();
        let flag = |on: bool, bit: u32| if on { bit } else { 0 };
        let mut block = Superblock {
            magic: MAGIC,
            version: VERSION,
            oldest_version: OLDEST_VERSION,
            checksum: 0,
            total_bytes: layout.total_bytes as u64,
            slots: config.slots as u64,
            slot_bytes: config.slot_bytes as u64,
            first_sequence: config.first_sequence,
            participants: config.participants as u32,
            slot_class: match config.slot_class {
                SlotClass::Packed => 1,
                SlotClass::Lines => 2,
                SlotClass::Arena => 3,
            },
            delivery: match config.delivery {
                Delivery::Lossy => 1,
                Delivery::Gated => 2,
                Delivery::Queue => 3,
                Delivery::Call => 4,
                Delivery::Latest => 5,
            },
            writers: match config.writers {
                Writers::One => 1,
                Writers::Many => 2,
            },
            flags: flag(config.tag, FLAG_TAG)
                | flag(config.timestamp, FLAG_TIMESTAMP)
                | flag(config.observers, FLAG_OBSERVERS)
                | flag(config.keep, FLAG_KEEP)
                | flag(config.redelivery == Redelivery::Drop, FLAG_DROP_UNFINISHED),
            meta_bytes: config.meta_bytes as u32,
            frame_kind: frame.kind,
            frame_dimensions: frame.dimensions,
            frame_bits: frame.bits,
            evict_after_ms: config.evict_after.map_or(0, |blocked| blocked.as_millis() as u32),
            frame_shape: frame.shape,
            user_words: config.user_words as u32,
            await_readers: config.await_readers,
            id,
            creator_pid: creator_pid.into(),
            created_ns,
        };
        block.checksum = block.checksum();
        block
    }

    /// Whether this is a header, of whatever version and byte order.
    #[cfg(feature = "portable")]
    pub(crate) fn is_marked(&self) -> bool {
        [MAGIC, MAGIC.swap_bytes()].contains(&self.magic)
    }

    /// Half of the id.
    #[cfg(feature = "portable")]
    pub(crate) fn number(&self) -> u64 {
        u64::from_ne_bytes(self.id[..8].try_into().expect("half of 16 bytes"))
    }

    /// The layout that this header describes.
    ///
    /// `file_bytes` is the real size of the segment. Nothing is taken over unchecked: offsets are
    /// computed from the configuration, and the result must have the size in the header and fit
    /// into the file.
    ///
    /// # Errors
    /// What cannot be used, as the end of a sentence about the segment.
    pub(crate) fn layout(&self, file_bytes: u64) -> Result<Layout, String> {
        if self.magic == MAGIC.swap_bytes() {
            return Err("it was made on a machine of the other byte order".into());
        }
        if self.magic != MAGIC {
            return Err("it is not a seqring segment".into());
        }
        if self.oldest_version > VERSION || self.version < OLDEST_VERSION {
            return Err(format!(
                "its format is version {} (readable since {}); this build reads {OLDEST_VERSION} to {VERSION}: \
                 update it, or recreate the ring",
                self.version, self.oldest_version
            ));
        }
        if self.checksum != self.checksum() {
            return Err("its header is damaged (checksum)".into());
        }
        let layout = Layout::new(&self.config()?)?;
        if layout.total_bytes as u64 != self.total_bytes || self.total_bytes > file_bytes {
            return Err(format!(
                "its header claims {} bytes, its geometry takes {}, the file has {file_bytes}",
                self.total_bytes, layout.total_bytes
            ));
        }
        Ok(layout)
    }

    fn config(&self) -> Result<Config, String> {
        let size =
            |what: &str, n: u64| usize::try_from(n).map_err(|_| format!("{what} {n} exceeds this machine"));
        if self.flags & !FLAGS_KNOWN != 0 {
            return Err(format!("it has options unknown to this build (flags {:#x})", self.flags));
        }
        Ok(Config {
            slots: size("slots", self.slots)?,
            slot_bytes: size("slot_bytes", self.slot_bytes)?,
            slot_class: match self.slot_class {
                1 => SlotClass::Packed,
                2 => SlotClass::Lines,
                3 => SlotClass::Arena,
                other => return Err(format!("its slot class {other} is unknown to this build")),
            },
            delivery: match self.delivery {
                1 => Delivery::Lossy,
                2 => Delivery::Gated,
                3 => Delivery::Queue,
                4 => Delivery::Call,
                5 => Delivery::Latest,
                other => return Err(format!("its delivery {other} is unknown to this build")),
            },
            writers: match self.writers {
                1 => Writers::One,
                2 => Writers::Many,
                other => return Err(format!("its writers mode {other} is unknown to this build")),
            },
            redelivery: match self.flags & FLAG_DROP_UNFINISHED {
                0 => Redelivery::Redeliver,
                _ => Redelivery::Drop,
            },
            participants: self.participants as usize,
            first_sequence: self.first_sequence,
            tag: self.flags & FLAG_TAG != 0,
            timestamp: self.flags & FLAG_TIMESTAMP != 0,
            observers: self.flags & FLAG_OBSERVERS != 0,
            keep: self.flags & FLAG_KEEP != 0,
            meta_bytes: self.meta_bytes as usize,
            evict_after: (self.evict_after_ms > 0).then(|| Duration::from_millis(self.evict_after_ms.into())),
            frame: (self.frame_bits > 0).then_some(Frame {
                kind: self.frame_kind,
                bits: self.frame_bits,
                dimensions: self.frame_dimensions,
                shape: self.frame_shape,
            }),
            user_words: self.user_words as usize,
            await_readers: self.await_readers,
        })
    }

    /// FNV-1a, 64 bits, over the bytes from `total_bytes` up to `id`: detects damage, not malice.
    fn checksum(&self) -> u64 {
        let covered = std::mem::offset_of!(Superblock, total_bytes)..std::mem::offset_of!(Superblock, id);
        self.as_bytes()[covered].iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

/// 16 bytes that no other segment has.
fn random_id() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    // Each `RandomState` has keys of its own, seeded by the system.
    let half = || RandomState::new().hash_one(std::process::id()).to_ne_bytes();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&half());
    id[8..].copy_from_slice(&half());
    id
}

const _: () = assert!(size_of::<Superblock>() == 192);

#[cfg(test)]
mod tests {
    use super::Superblock;
    use crate::memory::layout::Layout;
    use crate::types::config::Config;

    /// Fails if a value that this build does not know is ignored, or taken for another.
    #[test]
    fn what_is_unknown_to_this_build_is_refused() {
        let layout = Layout::new(&Config::slots(2).of_bytes(8)).unwrap();
        let changes: [fn(&mut Superblock); 4] = [
            |block| block.flags |= 1 << 31,
            |block| block.slot_class = 9,
            |block| block.delivery = 9,
            |block| block.writers = 9,
        ];
        for change in changes {
            let mut block = Superblock::new(&layout, [0; 16], 1, 0);
            assert!(block.layout(u64::MAX).is_ok());
            change(&mut block);
            block.checksum = block.checksum();
            let refused = block.layout(u64::MAX).unwrap_err();
            assert!(refused.contains("unknown to this build"), "{refused}");
        }
    }
}
