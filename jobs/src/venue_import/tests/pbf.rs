//! Writes `.osm.pbf` files byte by byte, also such as no program would write.
//! <https://wiki.openstreetmap.org/wiki/PBF_Format>

/// A message of Protocol Buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(mut self, field: u8, value: i64) -> Self {
        self.0.push(field_key(field, 0));
        #[expect(clippy::cast_sign_loss, reason = "as the format has it")]
        self.varint(value as u64);
        self
    }

    pub(super) fn signed(mut self, field: u8, value: i64) -> Self {
        self.0.push(field_key(field, 0));
        self.varint(zigzag(value));
        self
    }

    pub(super) fn bytes(mut self, field: u8, bytes: &[u8]) -> Self {
        self.0.push(field_key(field, 2));
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub(super) fn message(self, field: u8, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// Many numbers as one field.
    pub(super) fn packed(self, field: u8, numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut packed = Self::default();
        for number in numbers {
            packed.varint(number);
        }
        self.message(field, &packed)
    }

    /// Many signed numbers, each as the difference from the one before.
    pub(super) fn deltas(self, field: u8, numbers: &[i64]) -> Self {
        let before = std::iter::once(0).chain(numbers.iter().copied());
        let deltas = numbers.iter().zip(before).map(|(number, before)| number.wrapping_sub(before));
        self.packed(field, deltas.map(zigzag).collect::<Vec<_>>())
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap());
    }
}

fn field_key(field: u8, wire: u8) -> u8 {
    // One byte holds no more.
    assert!(field < 16, "field {field}");
    field << 3 | wire
}

#[expect(clippy::cast_sign_loss, reason = "as the format has it")]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// A block as it stands in the file.
pub(super) fn block(kind: &str, content: &Message) -> Vec<u8> {
    let blob = Message::default().bytes(1, &content.0);
    let header = Message::default()
        .bytes(1, kind.as_bytes())
        .number(3, i64::try_from(blob.0.len()).unwrap());
    let length = u32::try_from(header.0.len()).unwrap().to_be_bytes();
    [&length[..], &header.0, &blob.0].concat()
}

/// The header of a file: what a reader must know, and whether it is sorted.
pub(super) fn header(required: &[&str], sorted: bool) -> Vec<u8> {
    let mut header = Message::default();
    for feature in required {
        header = header.bytes(4, feature.as_bytes());
    }
    if sorted {
        header = header.bytes(5, b"Sort.Type_then_ID");
    }
    block("OSMHeader", &header)
}

/// The strings of a block, and its elements.
#[derive(Debug)]
pub(super) struct Block {
    strings: Vec<String>,
    groups: Vec<Message>,
}

pub(super) type Tags<'a> = &'a [(&'a str, &'a str)];
/// Id, latitude and longitude, tags.
pub(super) type Node<'a> = (i64, (i64, i64), Tags<'a>);

impl Block {
    pub(super) fn new() -> Self {
        Self { strings: vec![String::new()], groups: Vec::new() }
    }

    fn string(&mut self, text: &str) -> u64 {
        if let Some(known) = self.strings.iter().position(|known| known == text) {
            return known as u64;
        }
        self.strings.push(text.to_owned());
        self.strings.len() as u64 - 1
    }

    fn tags(&mut self, message: Message, tags: Tags<'_>) -> Message {
        let keys: Vec<u64> = tags.iter().map(|(key, _)| self.string(key)).collect();
        let values: Vec<u64> = tags.iter().map(|(_, value)| self.string(value)).collect();
        message.packed(2, keys).packed(3, values)
    }

    /// A node; places in ten-millionths of a degree.
    pub(super) fn node(mut self, id: i64, (lat, lon): (i64, i64), tags: Tags<'_>) -> Self {
        let node = Message::default().signed(1, id);
        let node = self.tags(node, tags).signed(8, lat).signed(9, lon);
        self.groups.push(Message::default().message(1, &node));
        self
    }

    /// Nodes together, as real files have them.
    pub(super) fn dense(mut self, nodes: &[Node<'_>]) -> Self {
        let mut tags = Vec::new();
        for (_, _, of_node) in nodes {
            for (key, value) in *of_node {
                tags.extend([self.string(key), self.string(value)]);
            }
            tags.push(0);
        }
        let column = |of: fn(&Node<'_>) -> i64| -> Vec<i64> { nodes.iter().map(of).collect() };
        let dense = Message::default()
            .deltas(1, &column(|node| node.0))
            .deltas(8, &column(|node| node.1.0))
            .deltas(9, &column(|node| node.1.1))
            .packed(10, tags);
        self.groups.push(Message::default().message(2, &dense));
        self
    }

    pub(super) fn way(self, id: i64, nodes: &[i64], tags: Tags<'_>) -> Self {
        self.located_way(id, nodes, &[], tags)
    }

    /// A way that brings the places of its nodes along.
    pub(super) fn located_way(
        mut self,
        id: i64,
        nodes: &[i64],
        places: &[(i64, i64)],
        tags: Tags<'_>,
    ) -> Self {
        let way = Message::default().number(1, id);
        let mut way = self.tags(way, tags).deltas(8, nodes);
        if !places.is_empty() {
            let column = |of: fn(&(i64, i64)) -> i64| places.iter().map(of).collect::<Vec<_>>();
            way = way.deltas(9, &column(|at| at.0)).deltas(10, &column(|at| at.1));
        }
        self.groups.push(Message::default().message(3, &way));
        self
    }

    /// Members: 0 for a node, 1 for a way, 2 for a relation, and the id.
    pub(super) fn relation(mut self, id: i64, members: &[(u64, i64)], tags: Tags<'_>) -> Self {
        let relation = Message::default().number(1, id);
        let ids: Vec<i64> = members.iter().map(|(_, id)| *id).collect();
        let relation = self
            .tags(relation, tags)
            .packed(8, members.iter().map(|_| 0))
            .deltas(9, &ids)
            .packed(10, members.iter().map(|(kind, _)| *kind));
        self.groups.push(Message::default().message(4, &relation));
        self
    }

    pub(super) fn written(self) -> Vec<u8> {
        let strings = self.strings.iter();
        let table = strings.fold(Message::default(), |table, text| table.bytes(1, text.as_bytes()));
        let block = Message::default().message(1, &table);
        let content = self.groups.iter().fold(block, |block, group| block.message(2, group));
        self::block("OSMData", &content)
    }
}
