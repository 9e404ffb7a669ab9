//! `ReadResp.ReadEvent.RecordedEvent`, the same in `event_store.client.streams` and `.persistent_subscriptions`.
//!
//! Reads are made of these, so they are written by hand, straight from the engine's event: a message type would cost a
//! dozen allocations per event.

use bytes::{Buf, BufMut};
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len, message,
};

use super::{StructuredUuid, UuidForm};

const JSON: &[u8] = b"application/json";
const BINARY: &[u8] = b"application/octet-stream";

/// Bytes of an id as text.
const UUID_TEXT_LEN: usize = uuid::fmt::Hyphenated::LENGTH;

/// An event of the log on its way to a client. Only written, never read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RecordedEvent(Option<(crate::RecordedEvent, UuidForm)>);

impl RecordedEvent {
    /// An event with its id in this form.
    pub(crate) fn new(event: crate::RecordedEvent, uuids: UuidForm) -> Self {
        Self(Some((event, uuids)))
    }

    /// Bytes of what clients put into it.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |(event, _)| event.data.len() + event.metadata.len())
    }
}

impl prost::Message for RecordedEvent {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        let Some((event, uuids)) = &self.0 else { return };
        match uuids {
            UuidForm::Structured(_) => {
                let id = StructuredUuid::from(event.id);
                put_header(1, message::encoded_len(1, &id), buf);
                message::encode(1, &id, buf);
            }
            UuidForm::String(_) => {
                put_header(1, bytes_len(2, UUID_TEXT_LEN), buf);
                let mut text = [0; UUID_TEXT_LEN];
                put_bytes(2, event.id.as_hyphenated().encode_lower(&mut text).as_bytes(), buf);
            }
        }
        put_header(2, bytes_len(3, event.stream.len()), buf);
        put_bytes(3, event.stream.as_bytes(), buf);
        put_u64(3, event.revision, buf);
        put_u64(4, event.position, buf);
        put_u64(5, event.position, buf);
        put_entry(b"type", event.event_type.as_bytes(), buf);
        put_entry(b"created", Decimal::new(event.created).as_bytes(), buf);
        put_entry(b"content-type", content_type(event), buf);
        put_bytes(7, &event.metadata, buf);
        put_bytes(8, &event.data, buf);
    }

    fn encoded_len(&self) -> usize {
        let Some((event, uuids)) = &self.0 else { return 0 };
        let id = match uuids {
            UuidForm::Structured(_) => message::encoded_len(1, &StructuredUuid::from(event.id)),
            UuidForm::String(_) => bytes_len(2, UUID_TEXT_LEN),
        };
        bytes_len(1, id)
            + bytes_len(2, bytes_len(3, event.stream.len()))
            + u64_len(3, event.revision)
            + u64_len(4, event.position)
            + u64_len(5, event.position)
            + entry_len("type".len(), event.event_type.len())
            + entry_len("created".len(), Decimal::new(event.created).as_bytes().len())
            + entry_len("content-type".len(), content_type(event).len())
            + bytes_len(7, event.metadata.len())
            + bytes_len(8, event.data.len())
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: WireType,
        _: &mut impl Buf,
        _: DecodeContext,
    ) -> Result<(), DecodeError> {
        Err(DecodeError::new("recorded events are only written"))
    }

    fn clear(&mut self) {
        self.0 = None;
    }
}

fn content_type(event: &crate::RecordedEvent) -> &'static [u8] {
    if event.is_json { JSON } else { BINARY }
}

/// Key and length of a field of bytes.
fn put_header(tag: u32, len: usize, buf: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, buf);
    encode_varint(len as u64, buf);
}

/// A field of bytes, also when empty.
fn put_bytes(tag: u32, bytes: &[u8], buf: &mut impl BufMut) {
    put_header(tag, bytes.len(), buf);
    buf.put_slice(bytes);
}

fn bytes_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

fn put_u64(tag: u32, value: u64, buf: &mut impl BufMut) {
    encode_key(tag, WireType::Varint, buf);
    encode_varint(value, buf);
}

fn u64_len(tag: u32, value: u64) -> usize {
    key_len(tag) + encoded_len_varint(value)
}

/// An entry of the map `metadata`.
fn put_entry(key: &[u8], value: &[u8], buf: &mut impl BufMut) {
    put_header(6, bytes_len(1, key.len()) + bytes_len(2, value.len()), buf);
    put_bytes(1, key, buf);
    put_bytes(2, value, buf);
}

fn entry_len(key: usize, value: usize) -> usize {
    bytes_len(6, bytes_len(1, key) + bytes_len(2, value))
}

/// A number's digits, without an allocation.
struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// Of a number that is not negative; a negative one counts as 0.
    fn new(number: i64) -> Self {
        let mut decimal = Self { digits: [b'0'; 20], start: 20 };
        let mut rest = number.max(0) as u64;
        loop {
            decimal.start -= 1;
            decimal.digits[decimal.start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return decimal;
            }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}
