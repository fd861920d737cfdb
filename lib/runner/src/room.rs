//! Room for more mail: below a floor of free space nothing more is taken, so that what has been taken can drain.
//!
//! The watch looks at the disks once a second and says what it [saw](Room::saw); whoever takes mail asks a number in memory. What is taken between
//! two looks is subtracted, so that a crowd of clients does not go below the floor together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Disk;

/// What must stay free on each disk that a host writes to. The default asks for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor {
    /// Octets.
    pub octets: u64,
    /// Inodes, where a file system counts them.
    pub inodes: u64,
}

impl Floor {
    /// What is wrong with a disk that has less, for a person; else what it has.
    ///
    /// # Errors
    /// The disk has less.
    pub fn compare(&self, disk: &Disk) -> Result<String, String> {
        let is_full = disk.free < self.octets || disk.free_inodes.is_some_and(|free| free < self.inodes);
        let inodes = |count: u64| disk.free_inodes.map_or_else(String::new, |_| format!(" and {count} inodes"));
        let (free, files) = (disk.free >> 20, disk.free_inodes.map_or_else(String::new, inodes));
        let (least, least_files) = (self.octets >> 20, inodes(self.inodes));
        if is_full {
            let path = disk.path.display();
            Err(format!(
                "the disk of {path} is full: {free} MiB{files} are free, of [guard]'s {least} MiB{least_files}"
            ))
        } else {
            Ok(format!("{free} MiB{files} are free; below {least} MiB{least_files} no mail is taken"))
        }
    }
}

/// Whether there is room for more mail; clones are the same one. Before the first look there is.
#[derive(Debug, Clone)]
pub struct Room(Arc<State>);

#[derive(Debug)]
struct State {
    floor: Floor,
    /// Octets above the floor, on the disk that has the fewest.
    spare: AtomicU64,
    /// It has been said that no mail is taken.
    is_closed: AtomicBool,
}

impl Default for Room {
    fn default() -> Self {
        Room::above(Floor::default())
    }
}

impl Room {
    /// Room as long as every disk has more than this.
    pub fn above(floor: Floor) -> Room {
        Room(Arc::new(State { floor, spare: AtomicU64::new(u64::MAX), is_closed: AtomicBool::new(false) }))
    }

    /// What must stay free.
    pub fn floor(&self) -> Floor {
        self.0.floor
    }

    /// There is room for a message of so many octets.
    pub fn has(&self, octets: u64) -> bool {
        let spare = self.0.spare.load(Ordering::Relaxed);
        spare > 0 && octets <= spare
    }

    /// Takes so much of the room; `false` when there is not so much.
    pub fn take(&self, octets: u64) -> bool {
        let less = |spare: u64| if spare > 0 { spare.checked_sub(octets) } else { None };
        self.0.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// A disk had no room when something was written: there is none until the next look.
    pub fn overflowed(&self) {
        self.0.spare.store(0, Ordering::Relaxed);
    }

    /// What the disks are like now. When they cannot be looked at, whoever writes finds out: what was known of the room says nothing any more, but
    /// a door that is closed stays so.
    pub fn saw(&self, disks: &Result<Vec<Disk>, String>) {
        let Ok(disks) = disks else {
            let unknown = |spare| (spare > 0).then_some(u64::MAX);
            let _ = self.0.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, unknown);
            return;
        };
        let shortage = disks.iter().find_map(|disk| self.0.floor.compare(disk).err());
        let above = disks.iter().map(|disk| disk.free.saturating_sub(self.0.floor.octets)).min();
        let spare = if shortage.is_some() { 0 } else { above.unwrap_or(u64::MAX) };
        self.0.spare.store(spare, Ordering::Relaxed);
        let was_closed = self.0.is_closed.swap(spare == 0, Ordering::Relaxed);
        match shortage {
            Some(shortage) if !was_closed => {
                tracing::warn!("no more mail is taken, and clients are told to come again (452): {shortage}");
            }
            None if was_closed && spare > 0 => tracing::info!("there is room again: mail is taken"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(free: u64, free_inodes: Option<u64>) -> Disk {
        Disk { path: "/data".into(), free, size: 1 << 40, free_inodes }
    }

    #[test]
    fn the_disk_with_the_least_room_decides() {
        let room = Room::above(Floor { octets: 100, inodes: 10 });
        assert!(room.has(u64::MAX), "nobody has looked yet");
        room.saw(&Ok(vec![disk(5_000, None), disk(150, Some(11))]));
        assert!(room.has(50) && !room.has(51));
        assert!(room.take(30) && !room.take(21) && room.take(20));
        assert!(!room.has(0), "what was taken since the look counts");
        room.saw(&Ok(vec![disk(5_000, None)]));
        assert!(room.take(4_900) && !room.take(0));
        for full in [disk(99, None), disk(5_000, Some(9))] {
            room.saw(&Ok(vec![disk(5_000, None), full]));
            assert!(!room.has(0) && !room.take(0));
        }
        room.saw(&Ok(vec![disk(5_000, Some(10))]));
        assert!(room.has(1));
    }

    #[test]
    fn who_found_no_room_closes_the_door_until_the_next_look() {
        let room = Room::default();
        room.overflowed();
        assert!(!room.has(0) && !room.take(1));
        room.saw(&Err("it does not answer".to_owned()));
        assert!(!room.has(0), "closed, it stays so");
        let room = Room::above(Floor { octets: 100, inodes: 10 });
        room.saw(&Ok(vec![disk(150, None)]));
        room.saw(&Err("it does not answer".to_owned()));
        assert!(room.take(1_000), "nobody knows how much there is");
        let room = Room::default();
        room.saw(&Ok(vec![disk(1, Some(0))]));
        assert!(room.has(1), "no floor was asked for");
    }

    #[test]
    fn a_shortage_says_where_and_how_much_is_left() {
        let floor = Floor { octets: 64 << 20, inodes: 1_000 };
        let told = floor.compare(&disk(64 << 20, Some(1_000))).unwrap();
        assert_eq!(told, "64 MiB and 1000 inodes are free; below 64 MiB and 1000 inodes no mail is taken");
        let told = floor.compare(&disk(3 << 20, Some(7))).unwrap_err();
        assert_eq!(told, "the disk of /data is full: 3 MiB and 7 inodes are free, of [guard]'s 64 MiB and 1000 inodes");
    }
}
