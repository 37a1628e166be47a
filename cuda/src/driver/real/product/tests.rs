use super::*;

fn operand(kind: Kind, stride: usize) -> Operand {
    Operand { address: 4096, kind, stride }
}

fn product() -> Product {
    let kind = Kind::Bf16;
    Product {
        layout: Layout::NT,
        m: 6,
        n: 10,
        k: 8,
        a: operand(kind, 8),
        b: operand(kind, 8),
        c: operand(Kind::F32, 10),
        alpha: 1.0,
        accumulate: false,
        exact: false,
    }
}

#[test]
fn the_key_tells_products_apart_that_need_other_algorithms() {
    let base = Key::of(&product(), false);
    let changes: [fn(&mut Product); 9] = [
        |p| p.layout = Layout::NN,
        |p| p.m = 7,
        |p| p.n = 9,
        |p| p.k = 7,
        |p| p.a.stride = 9,
        |p| p.c.kind = Kind::Bf16,
        |p| p.accumulate = true,
        |p| p.b.address += 2,
        |p| p.a.address += 16,
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut p = product();
        change(&mut p);
        assert_ne!(Key::of(&p, false), base, "change {at}");
    }
}

#[test]
fn the_key_is_one_for_products_that_may_share_an_algorithm() {
    let base = Key::of(&product(), false);
    let mut p = product();
    p.alpha = 0.5;
    p.exact = true;
    p.a.address += 256;
    assert_eq!(Key::of(&p, true), base);
    // rounding to TF32 is a matter of single precision
    for kind in [Kind::F32, Kind::F16] {
        let mut p = product();
        (p.a.kind, p.b.kind) = (kind, kind);
        assert_eq!(Key::of(&p, true) == Key::of(&p, false), kind != Kind::F32);
        p.exact = true;
        assert_eq!(Key::of(&p, true), Key::of(&p, false));
    }
}

#[test]
fn alignment_is_that_of_the_address() {
    let at = |address| alignment(Operand { address, kind: Kind::F16, stride: 1 });
    assert_eq!([at(2), at(4100), at(48), at(1 << 20)], [2, 4, 16, 256]);
}

#[test]
fn impossible_products_are_refused_in_words() {
    assert_eq!(check(&product()), Ok(()));
    type Change = fn(&mut Product);
    let cases: [(Change, &str); 6] = [
        (|p| p.k = 0, "zero"),
        (|p| p.a.stride = 7, "rows of a are 8 long and 7 apart"),
        (|p| p.c.address = 0, "c has the address 0x0"),
        (|p| p.b.address = 4097, "b has the address"),
        (|p| p.b.kind = Kind::F32, "operands are bf16 and f32"),
        (|p| p.c.kind = Kind::F16, "a f16 result of bf16 operands"),
    ];
    for (change, expected) in cases {
        let mut p = product();
        change(&mut p);
        let message = check(&p).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn strides_are_checked_against_what_lies_in_memory() {
    let mut p = product();
    (p.layout, p.a.stride, p.b.stride) = (Layout::TN, 6, 10);
    assert_eq!(check(&p), Ok(()));
    p.layout = Layout::NN;
    assert!(check(&p).is_err());
    p.a.stride = 8;
    assert_eq!(check(&p), Ok(()));
}
