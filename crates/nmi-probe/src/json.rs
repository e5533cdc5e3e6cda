//! The strings at the top of a JSON object (RFC 8259), and whether it is one.
//!
//! As small as can be, since all that is wanted is `access_token` of an answer and three claims of a token;
//! but the whole text is read, so that nothing is made of what is no JSON.

/// How deep arrays and objects may lie in each other.
const DEPTH: usize = 32;

/// The strings that the object `text` has under `names`, `None` where it has none or something else.
/// `None` in place of all when the text is no JSON object, lies too deep, or has one of the names twice,
/// of which the two readers of a token could take different ones.
pub fn strings<const N: usize>(text: &[u8], names: [&str; N]) -> Option<[Option<String>; N]> {
    let mut found = names.map(|_| None);
    let mut seen = names.map(|_| false);
    let mut reader = Reader { rest: text };
    reader.skip_blanks();
    reader.expect(b'{')?;
    reader.items(b'}', |reader| {
        let name = reader.name()?;
        let Some(at) = names.iter().position(|wanted| *wanted == name) else { return reader.value(1) };
        let is_new = !std::mem::replace(seen.get_mut(at)?, true);
        if reader.rest.first() == Some(&b'"') {
            *found.get_mut(at)? = Some(reader.string()?);
        } else {
            reader.value(1)?;
        }
        is_new.then_some(())
    })?;
    reader.skip_blanks();
    reader.rest.is_empty().then_some(found)
}

/// What is left to read. Every function takes what it is named for, or says `None`.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn skip_while(&mut self, is: impl Fn(u8) -> bool) -> usize {
        let count = self.rest.iter().take_while(|byte| is(**byte)).count();
        self.rest = self.rest.get(count..).unwrap_or_default();
        count
    }

    fn skip_blanks(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    }

    /// Items with commas between them up to `end`, the opening bracket having been read.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.skip_blanks();
        if self.rest.first() == Some(&end) {
            return self.expect(end);
        }
        loop {
            self.skip_blanks();
            item(self)?;
            self.skip_blanks();
            match self.next()? {
                b',' => {}
                byte => return (byte == end).then_some(()),
            }
        }
    }

    /// A name and its colon.
    fn name(&mut self) -> Option<String> {
        let name = self.string()?;
        self.skip_blanks();
        self.expect(b':')?;
        self.skip_blanks();
        Some(name)
    }

    /// Any value, inside of `depth` arrays and objects.
    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        match self.rest.first()? {
            b'"' => self.string().map(drop),
            b'{' => {
                self.expect(b'{')?;
                self.items(b'}', |reader| {
                    reader.name()?;
                    reader.value(depth + 1)
                })
            }
            b'[' => {
                self.expect(b'[')?;
                self.items(b']', |reader| reader.value(depth + 1))
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => ["true", "false", "null"].into_iter().find_map(|word| self.word(word)),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word.as_bytes())?;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.word("-");
        let leading_zero = self.rest.first() == Some(&b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return None;
        }
        if self.word(".").is_some() {
            self.digits()?;
        }
        if self.word("e").or_else(|| self.word("E")).is_some() {
            let _ = self.word("+").or_else(|| self.word("-"));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<usize> {
        Some(self.skip_while(|byte| byte.is_ascii_digit())).filter(|count| *count > 0)
    }

    fn string(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return String::from_utf8(text).ok(),
                b'\\' => {
                    let letter = self.escaped()?;
                    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..=0x1f => return None,
                byte => text.push(byte),
            }
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Option<char> {
        Some(match self.next()? {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return char::from_u32(unit);
                }
                self.word("\\u")?;
                let low = self.hex4()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                return char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low);
            }
            _ => return None,
        })
    }

    fn hex4(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |sum, _| Some(sum << 4 | char::from(self.next()?).to_digit(16)?))
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
