//! How messages become bytes: protobuf, with buffers that fit what a call carries.

use std::marker::PhantomData;

use tonic::codec::{BufferSettings, Codec, ProstCodec};

use super::limits::{BULK_BUFFER_BYTES, BULK_YIELD_BYTES, SMALL_BUFFER_BYTES};

/// For calls that answer with a message or a few: a small buffer, as each call has its own.
pub(crate) struct Small<T, U>(PhantomData<(T, U)>);

/// For calls that answer with many messages: those that are ready go out together.
pub(crate) struct Bulk<T, U>(PhantomData<(T, U)>);

macro_rules! codec {
    ($name:ident, $encode:expr) => {
        impl<T, U> Default for $name<T, U> {
            fn default() -> Self {
                Self(PhantomData)
            }
        }

        impl<T, U> Codec for $name<T, U>
        where
            T: prost::Message + Send + 'static,
            U: prost::Message + Default + Send + 'static,
        {
            type Encode = T;
            type Decode = U;
            type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
            type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

            fn encoder(&mut self) -> Self::Encoder {
                ProstCodec::<T, U>::raw_encoder($encode)
            }

            fn decoder(&mut self) -> Self::Decoder {
                let settings = BufferSettings::new(SMALL_BUFFER_BYTES, BULK_YIELD_BYTES);
                ProstCodec::<T, U>::raw_decoder(settings)
            }
        }
    };
}

codec!(Small, BufferSettings::new(SMALL_BUFFER_BYTES, BULK_YIELD_BYTES));
codec!(Bulk, BufferSettings::new(BULK_BUFFER_BYTES, BULK_YIELD_BYTES));
