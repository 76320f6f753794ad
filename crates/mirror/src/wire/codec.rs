//! Values to bytes, and back: little-endian; each length is compared with what is there.

use super::{NAME_BYTES, Result, VERSION, cut, refuse};

/// Values read from the front of bytes.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        match self.0.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.0 = rest;
                Ok(bytes)
            }
            None => refuse(format!("{count} bytes announced, and {} are there", self.0.len())),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.bytes(N)?.try_into().expect("N bytes"))
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn usize(&mut self) -> Result<usize> {
        usize::try_from(self.u64()?).or_else(|_| refuse("a length beyond the address space"))
    }

    pub(super) fn u128(&mut self) -> Result<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub(super) fn bool(&mut self) -> Result<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => refuse(format!("{other} where 0 or 1 belongs")),
        }
    }

    pub(super) fn name(&mut self) -> Result<String> {
        let len = usize::from(self.u16()?);
        if len > NAME_BYTES {
            return refuse(format!("a name of {len} bytes; the longest has {NAME_BYTES}"));
        }
        let name = String::from_utf8(self.bytes(len)?.to_vec());
        name.or_else(|_| refuse("a name that is not UTF-8"))
    }

    pub(super) fn start(&mut self, magic: u32, what: &str) -> Result<()> {
        if self.u32()? != magic {
            return refuse(format!("no {what} of seqring-mirror"));
        }
        match self.u16()? {
            VERSION => Ok(()),
            other => refuse(format!("version {other} of the link; this is version {VERSION}")),
        }
    }

    pub(super) fn end(self, what: &str) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            refuse(format!("{} bytes too many after a {what}", self.0.len()))
        }
    }
}

/// Values written to the end of bytes.
pub(super) struct Output(pub(super) Vec<u8>);

impl Output {
    pub(super) fn start(magic: u32) -> Self {
        Output([&magic.to_le_bytes()[..], &VERSION.to_le_bytes()].concat())
    }

    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
    }

    pub(super) fn name(&mut self, name: &str) {
        let name = cut(name);
        self.put((name.len() as u16).to_le_bytes());
        self.0.extend_from_slice(name.as_bytes());
    }
}
