//! Expressions over metrics: `mincore_calls / foreign_frees`, `wall_ns - cpu_ns`.
//!
//! Numbers, names, `+ - * /` (`−`, `×` and `÷` as well) and parentheses, with the usual precedence,
//! parsed by descent. A mistake is answered with its place in the text. Values are those of one
//! launch; where a metric is missing, a divisor is 0 or the result is negative, there is none.

use std::ops::Range;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// A metric's value.
    Metric(String),
    /// Two values and what is done with them.
    Binary(Box<Expr>, Op, Box<Expr>),
}

/// What is done with two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Their sum.
    Add,
    /// Their difference.
    Subtract,
    /// Their product.
    Multiply,
    /// Their quotient.
    Divide,
}

/// What is wrong, and where in the text (bytes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub at: Range<usize>,
    /// What.
    pub message: String,
}

/// A piece of the text.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Op(Op),
    Open,
    Close,
}

/// Deepest nesting of parentheses.
const DEEPEST: usize = 64;

impl Expr {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, next: 0, end: text.len(), depth: 0 };
        let expr = parser.sum()?;
        match parser.tokens.get(parser.next) {
            None => Ok(expr),
            Some((Token::Close, at)) => Err(mistake(at, "there is no `(` for this `)`")),
            Some((_, at)) => Err(mistake(at, "an operator is missing before this")),
        }
    }

    /// Names of the metrics in it, in the order of the text.
    #[must_use]
    pub fn metrics(&self) -> Vec<&str> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Metric(name) => vec![name],
            Self::Binary(left, _, right) => [left.metrics(), right.metrics()].concat(),
        }
    }

    /// Its value, where `value` gives that of every metric; `None` where there is none, or it is no
    /// finite number.
    pub fn value(&self, value: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
        let result = match self {
            Self::Number(number) => *number,
            Self::Metric(name) => value(name)?,
            Self::Binary(left, op, right) => {
                let (left, right) = (left.value(value)?, right.value(value)?);
                match op {
                    Op::Add => left + right,
                    Op::Subtract => left - right,
                    Op::Multiply => left * right,
                    Op::Divide => left / right,
                }
            }
        };
        Some(result).filter(|result| result.is_finite())
    }
}

fn mistake(at: &Range<usize>, message: impl Into<String>) -> Mistake {
    Mistake { at: at.clone(), message: message.into() }
}

/// Cuts the text into pieces.
fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, Mistake> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let mut end = start + first.len_utf8();
        let mut take_while = |wanted: &dyn Fn(char) -> bool| {
            while let Some((at, more)) = rest.next_if(|(_, next)| wanted(*next)) {
                end = at + more.len_utf8();
            }
            end
        };
        let token = match first {
            ' ' | '\t' | '\n' => continue,
            '+' => Token::Op(Op::Add),
            '-' | '−' => Token::Op(Op::Subtract),
            '*' | '×' => Token::Op(Op::Multiply),
            '/' | '÷' => Token::Op(Op::Divide),
            '(' => Token::Open,
            ')' => Token::Close,
            digit if digit.is_ascii_digit() => {
                let end = take_while(&|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
                let number = text[start..end].parse().ok();
                let number = number.filter(|number: &f64| number.is_finite());
                let wrong = || mistake(&(start..end), "this is no number");
                Token::Number(number.ok_or_else(wrong)?)
            }
            letter if letter.is_ascii_alphabetic() => {
                let end = take_while(&|c| c.is_ascii_alphanumeric() || c == '_');
                Token::Name(text[start..end].to_owned())
            }
            other => return Err(mistake(&(start..end), format!("`{other}` means nothing here"))),
        };
        tokens.push((token, start..end));
    }
    Ok(tokens)
}

/// What is left to read.
struct Parser<'t> {
    tokens: &'t [(Token, Range<usize>)],
    next: usize,
    end: usize,
    depth: usize,
}

impl Parser<'_> {
    /// Products, added and subtracted from left to right.
    fn sum(&mut self) -> Result<Expr, Mistake> {
        let mut left = self.product()?;
        while let Some(op) = self.operator(&[Op::Add, Op::Subtract]) {
            left = Expr::Binary(Box::new(left), op, Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, Mistake> {
        let mut left = self.operand()?;
        while let Some(op) = self.operator(&[Op::Multiply, Op::Divide]) {
            left = Expr::Binary(Box::new(left), op, Box::new(self.operand()?));
        }
        Ok(left)
    }

    fn operator(&mut self, wanted: &[Op]) -> Option<Op> {
        match self.tokens.get(self.next) {
            Some((Token::Op(op), _)) if wanted.contains(op) => {
                self.next += 1;
                Some(*op)
            }
            _ => None,
        }
    }

    /// A number, a metric, or an expression in parentheses.
    fn operand(&mut self) -> Result<Expr, Mistake> {
        let missing = "a metric, a number or `(` is missing here";
        let Some((token, at)) = self.tokens.get(self.next) else {
            return Err(mistake(&(self.end..self.end), missing));
        };
        self.next += 1;
        match token {
            Token::Number(number) => Ok(Expr::Number(*number)),
            Token::Name(name) => Ok(Expr::Metric(name.clone())),
            Token::Open if self.depth == DEEPEST => {
                Err(mistake(at, "nobody can read parentheses this deep"))
            }
            Token::Open => {
                self.depth += 1;
                let inner = self.sum()?;
                self.depth -= 1;
                match self.tokens.get(self.next) {
                    Some((Token::Close, _)) => {
                        self.next += 1;
                        Ok(inner)
                    }
                    _ => Err(mistake(at, "this `(` is never closed")),
                }
            }
            Token::Op(_) | Token::Close => Err(mistake(at, missing)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<f64> {
        let metrics = |name: &str| match name {
            "a" => Some(6.0),
            "b_2" => Some(4.0),
            "none" => Some(0.0),
            _ => None,
        };
        Expr::parse(text).unwrap().value(&metrics)
    }

    #[test]
    fn precedence_is_the_usual_one() {
        assert_eq!(value("a - b_2 - 1"), Some(1.0));
        assert_eq!(value("a + b_2 × 2 ÷ 4"), Some(8.0));
        assert_eq!(value("(a + b_2) * 0.5"), Some(5.0));
        assert_eq!(value("a/b_2/3"), Some(0.5));
        assert_eq!(value("none / a"), Some(0.0));
        assert_eq!(Expr::parse("a/(b_2 − a)").unwrap().metrics(), ["a", "b_2", "a"]);
    }

    #[test]
    fn what_has_no_value_is_none() {
        for text in ["a / none", "none / none", "unknown + 1"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn mistakes_have_their_place() {
        let mistakes = [
            ("", 0..0, "missing here"),
            ("a +", 3..3, "missing here"),
            ("a + / b", 4..5, "missing here"),
            ("a b", 2..3, "operator is missing"),
            ("(a + b", 0..1, "never closed"),
            ("a) + b", 1..2, "no `(` for this"),
            ("a % b", 2..3, "`%` means nothing"),
            ("2x * a", 0..2, "no number"),
            ("-a", 0..1, "missing here"),
        ];
        for (text, at, words) in mistakes {
            let found = Expr::parse(text).unwrap_err();
            assert_eq!(found.at, at, "{text}: {}", found.message);
            assert!(found.message.contains(words), "{text}: {}", found.message);
        }
        assert!(Expr::parse(&"(".repeat(100_000)).is_err(), "the stack holds");
    }
}
