//! An `.osm.pbf` file: a header and thousands of blocks, each compressed by itself.

use std::fs::File;
use std::io::{BufReader, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use osmpbf::{BlobReader, BlobType, ByteOffset, Element, HeaderBlock, PrimitiveBlock};

use crate::effects::catalogue::OsmArea;

/// What a reader has to know to understand the file; others mean that it does not.
const KNOWN: [&str; 2] = ["OsmSchema-V0.6", "DenseNodes"];
/// Nodes come first, then ways, then relations.
const SORTED: &str = "Sort.Type_then_ID";
/// No block is larger, says the format.
const LARGEST: u64 = 32 << 20;
/// The names and sizes of blocks are read one by one, and what lies between is skipped.
const HEADER: usize = 256;

/// Why a file is none that could be imported.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is something else.
    #[error("it is no extract of OpenStreetMap in the format .osm.pbf: {0}")]
    NoExtract(&'static str),
    /// It needs more than is known here.
    #[error(
        "it needs `{0}`, which is not supported; extracts of the current data without history are"
    )]
    Unsupported(String),
    /// It ends in the middle.
    #[error("it is cut off: {missing} bytes are missing at its end; fetch it again")]
    CutOff {
        /// At least so many.
        missing: u64,
    },
    /// A part of it cannot be understood.
    #[error("it is damaged{}: {reason}; fetch it again", .at.map(|at| format!(" at byte {at}")).unwrap_or_default())]
    Damaged {
        /// Where the block begins.
        at: Option<u64>,
        /// What is wrong with it.
        reason: String,
    },
}

/// A file whose blocks follow each other to its end.
#[derive(Debug)]
pub(super) struct ExtractFile {
    path: PathBuf,
    blocks: Vec<Block>,
    sorted: bool,
    /// What it covers.
    pub(super) area: Option<OsmArea>,
    /// Of when it is, in Unix milliseconds.
    pub(super) data_at: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    at: u64,
    bytes: u64,
}

/// Which blocks may hold what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sections {
    pub(super) nodes: Range<usize>,
    pub(super) ways: Range<usize>,
    pub(super) relations: Range<usize>,
}

impl ExtractFile {
    /// Opens a file and finds its blocks, without reading what is in them.
    pub(super) fn open(path: &Path) -> Result<Self, ExtractError> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(ExtractError::NoExtract("it is not a file"));
        }
        let mut reader = BlobReader::new_seekable(BufReader::with_capacity(HEADER, file))
            .map_err(|error| damaged(None, &error))?;
        let (mut blocks, mut header) = (Vec::new(), None);
        let mut end = 0;
        while let Some(next) = reader.next_header_skip_blob() {
            let no_beginning = end == 0;
            let (blob, _) = next.map_err(|error| {
                if no_beginning {
                    ExtractError::NoExtract("it does not begin as one")
                } else {
                    damaged(Some(end), &error)
                }
            })?;
            let after = reader.seek_raw(SeekFrom::Current(0));
            let after = after.map_err(|error| damaged(Some(end), &error))?;
            let block = Block { at: end, bytes: after.saturating_sub(end) };
            if blob.get_blob_size() < 0 || block.bytes > LARGEST {
                let reason = "a block of an impossible size".to_owned();
                return Err(ExtractError::Damaged { at: Some(end), reason });
            }
            if after > about.len() {
                return Err(ExtractError::CutOff { missing: after - about.len() });
            }
            match blob.blob_type() {
                BlobType::OsmHeader if no_beginning => header = Some(block),
                BlobType::OsmData if header.is_some() => blocks.push(block),
                BlobType::Unknown(_) if header.is_some() => {}
                _ => return Err(ExtractError::NoExtract("it does not begin with one header")),
            }
            end = after;
        }
        if end < about.len() {
            // The length of the next block, which has four bytes.
            return Err(ExtractError::CutOff { missing: 4 - (about.len() - end) });
        }
        let header = header.ok_or(ExtractError::NoExtract("it is empty"))?;
        let header = reader
            .blob_from_offset(ByteOffset(header.at))
            .and_then(|blob| blob.to_headerblock())
            .map_err(|error| damaged(Some(header.at), &error))?;
        let unknown =
            header.required_features().iter().find(|feature| !KNOWN.contains(&feature.as_str()));
        if let Some(unknown) = unknown {
            return Err(ExtractError::Unsupported(unknown.clone()));
        }
        Ok(Self {
            path: path.to_path_buf(),
            blocks,
            sorted: header.optional_features().iter().any(|feature| feature == SORTED),
            area: area(&header),
            data_at: header
                .osmosis_replication_timestamp()
                .and_then(|seconds| seconds.checked_mul(1_000)),
        })
    }

    /// Where nodes, ways and relations are: in a sorted file only a few blocks are looked at for that.
    pub(super) fn sections(&self) -> Result<Sections, ExtractError> {
        let all = 0..self.blocks.len();
        if !self.sorted {
            return Ok(Sections { nodes: all.clone(), ways: all.clone(), relations: all });
        }
        let mut reader = self.reader()?;
        // The first block that holds anything which comes after nodes, or after ways; the block before it
        // may hold both.
        let mut first_after = |rank: u8| -> Result<usize, ExtractError> {
            let mut search = all.clone();
            while !search.is_empty() {
                let middle = search.start + search.len() / 2;
                let block = decode(&mut reader, self.blocks[middle])?;
                if block.elements().last().is_some_and(|last| self::rank(&last) > rank) {
                    search.end = middle;
                } else {
                    search.start = middle + 1;
                }
            }
            Ok(search.start)
        };
        let (ways, relations) = (first_after(0)?, first_after(1)?);
        let through = |first: usize| (first + 1).min(all.end);
        Ok(Sections {
            nodes: 0..through(ways),
            ways: ways..through(relations),
            relations: relations..all.end,
        })
    }

    /// Bytes of some blocks.
    pub(super) fn bytes(&self, blocks: &Range<usize>) -> u64 {
        self.blocks[blocks.clone()].iter().map(|block| block.bytes).sum()
    }

    /// Works on blocks, on all cores and in no order, and hands over what comes of each; ends early when
    /// `take` says no. `read` counts bytes.
    pub(super) fn each_block<T: Send>(
        &self,
        blocks: Range<usize>,
        read: &AtomicU64,
        work: impl Fn(&PrimitiveBlock) -> T + Sync,
        mut take: impl FnMut(T) -> bool,
    ) -> Result<(), ExtractError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (sender, results) = sync_channel(threads * 2);
        let next = AtomicUsize::new(blocks.start);
        let (next, work) = (&next, &work);
        let one_by_one = move |sender: std::sync::mpsc::SyncSender<Result<T, ExtractError>>| {
            let mut reader = match self.reader() {
                Ok(reader) => reader,
                Err(error) => return drop(sender.send(Err(error))),
            };
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(block) = self.blocks[..blocks.end].get(index) else { return };
                let done = decode(&mut reader, *block).map(|block| work(&block));
                read.fetch_add(block.bytes, Ordering::Relaxed);
                if sender.send(done).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            let one_by_one = &one_by_one;
            let threads: Vec<_> = (0..threads)
                .map(|_| {
                    let sender = sender.clone();
                    scope.spawn(move || one_by_one(sender))
                })
                .collect();
            drop(sender);
            let mut taken = Ok(());
            // Whoever still works ends when nobody receives.
            for done in results {
                match done.map(&mut take) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        taken = Err(error);
                        break;
                    }
                }
            }
            // What the library takes for impossible.
            let panicked = threads.into_iter().filter_map(|thread| thread.join().err()).count();
            if panicked > 0 { Err(ExtractError::unreadable()) } else { taken }
        })
    }

    fn reader(&self) -> Result<BlobReader<BufReader<File>>, ExtractError> {
        BlobReader::seekable_from_path(&self.path).map_err(|error| damaged(None, &error))
    }
}

impl ExtractError {
    /// Something in it is against the format, nobody knows what.
    pub(super) fn unreadable() -> Self {
        Self::Damaged { at: None, reason: "numbers that make no sense".to_owned() }
    }
}

fn decode(
    reader: &mut BlobReader<BufReader<File>>,
    block: Block,
) -> Result<PrimitiveBlock, ExtractError> {
    let blob = reader.blob_from_offset(ByteOffset(block.at));
    let decoded = blob.and_then(|blob| blob.to_primitiveblock());
    decoded.map_err(|error| damaged(Some(block.at), &error))
}

fn damaged(at: Option<u64>, error: &osmpbf::Error) -> ExtractError {
    ExtractError::Damaged { at, reason: error.to_string() }
}

/// In a sorted file, what comes after what.
fn rank(element: &Element<'_>) -> u8 {
    match element {
        Element::Node(_) | Element::DenseNode(_) => 0,
        Element::Way(_) => 1,
        Element::Relation(_) => 2,
    }
}

fn area(header: &HeaderBlock) -> Option<OsmArea> {
    let bbox = header.bbox()?;
    // Over the date line it is all the way around.
    let (west, east) =
        if bbox.left <= bbox.right { (bbox.left, bbox.right) } else { (-180.0, 180.0) };
    Some(OsmArea { south: bbox.bottom, north: bbox.top, west, east })
}
