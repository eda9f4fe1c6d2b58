//! The C file that compilers get: many functions with loops, branches, floating point and small
//! arrays, each a little different, none of a library's.

use std::fmt::Write as _;

/// Functions in it.
const FUNCTIONS: u32 = 40;

/// A generator of numbers below 2^31: the same everywhere, and good enough for text.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        // The upper bits are the good ones; the result is below 2^32.
        u32::try_from((self.0 >> 33) % u64::from(limit)).expect("it is below a u32")
    }
}

/// The file's text.
pub(crate) fn c_file() -> String {
    let mut draw = Draw(7);
    let mut text = "#include <stdio.h>\n#include <string.h>\n".to_owned();
    for n in 0..FUNCTIONS {
        function(&mut text, n, &mut draw);
    }
    text.push_str("int main(void) {\n    int x = 1;\n");
    for n in 0..FUNCTIONS {
        writeln!(text, "    {{ struct s{n} s = {{0}}; x += f{n}(&s, x & 15); }}").expect("a text");
    }
    text.push_str("    printf(\"%d\\n\", x);\n    return 0;\n}\n");
    text
}

fn function(text: &mut String, n: u32, draw: &mut Draw) {
    let numbers: Vec<u32> = (0..4).map(|_| 1 + draw.below(98)).collect();
    let [factor, weight, step, shift] = numbers[..] else { unreachable!("four were drawn") };
    let (doubles, name, bytes, shift) = (3 + n % 5, 8 + n % 24, n + 8, 1 + shift % 6);
    let before = n.saturating_sub(1);
    let call = if n == 0 { "1".to_owned() } else { format!("f{before}(&other, i & 3)") };
    writeln!(
        text,
        "struct s{n} {{ int a, b; double d[{doubles}]; char name[{name}]; }};
static int f{n}(struct s{n} *s, int x) {{
    struct s{before} other = {{0}};
    char b[{bytes}];
    memset(b, x, sizeof b);
    for (int i = 0; i < x; i++) {{
        x ^= b[i % sizeof b] * {factor};
        s->d[i % {doubles}] += s->a * {weight}.5 + i;
        switch (x & 7) {{
        case 0: s->a += {step}; break;
        case 1: s->b ^= x << {shift}; break;
        case 3:
            if (s->a > s->b) s->name[i % sizeof s->name] = (char)x;
            else x += s->b;
            break;
        case 5: x -= {call}; break;
        default: s->d[0] *= 1.25;
        }}
    }}
    return x + s->a + (int)s->d[1] + other.a;
}}"
    )
    .expect("a text");
}
