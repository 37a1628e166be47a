//! Twelve phenomena: sentences that are right, and the same with one fault.

use ebt_host::tokenization::measure::affix::{Fault, attach};

use super::lexicon::{DEEDS, EVENTS, NAMES, NUMERALS, PEOPLE, PLACES, QUALITIES, SOFTENED, THINGS, TOWNS};

/// Two sentences, the right one first, and the word that is judged with the length of its stem, where there is one.
pub struct Pair {
    pub good: String,
    pub bad: String,
    pub word: Option<(String, usize)>,
}

/// A phenomenon: its name, and all pairs that can be made of it.
pub type Phenomenon = (&'static str, fn() -> Vec<Pair>);

pub const PHENOMENA: [Phenomenon; 12] = [
    ("vowel-harmony-2", harmony_of_two),
    ("vowel-harmony-4", harmony_of_four),
    ("consonant-softening", softening),
    ("buffer-letters", buffers),
    ("person-agreement", persons),
    ("case-government", cases),
    ("genitive-possessive", possession),
    ("numeral-without-plural", numerals),
    ("negation", negation),
    ("question-particle-harmony", questions),
    ("evidential-and-tense", tenses),
    ("apostrophe-harmony", apostrophes),
];

/// `attach` without a fault.
fn with(stem: &str, suffix: &str) -> String {
    attach(stem, suffix, None)
}

/// A sentence, with a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = match letters.next() {
        Some('i') => String::from("İ"),
        Some(letter) => letter.to_uppercase().collect(),
        None => String::new(),
    };
    first + letters.as_str()
}

/// A pair in whose frame `_` stands for the word that differs.
fn pair(frame: &str, good: &str, bad: &str, stem: Option<&str>) -> Pair {
    let of = |word: &str| sentence(&frame.replacen('_', word, 1));
    Pair { good: of(good), bad: of(bad), word: stem.map(|stem| (good.to_owned(), stem.len())) }
}

/// Every thing as it is, and as it is before a vowel.
fn things() -> impl Iterator<Item = (&'static str, &'static str)> {
    THINGS.iter().map(|&thing| (thing, thing)).chain(SOFTENED.iter().copied())
}

/// One of the two faults, in turns.
fn fault(number: usize) -> Option<Fault> {
    Some(if number.is_multiple_of(2) { Fault::Front } else { Fault::Round })
}

fn harmony_of_two() -> Vec<Pair> {
    let mut all = Vec::new();
    let mut make = |frame: &str, stem: &str, suffix: &str| {
        all.push(pair(frame, &with(stem, suffix), &attach(stem, suffix, Some(Fault::Front)), Some(stem)));
    };
    for (thing, _) in things() {
        for frame in ["Odadaki _ çok eskiydi.", "Yeni _ dün geldi.", "Bu _ kime ait?"] {
            make(frame, thing, "lAr");
        }
    }
    for place in PLACES {
        make("Çocuklar bütün gün _ kaldı.", place, "DA");
        make("Annem az önce _ döndü.", place, "DAn");
        make("_ kimse yoktu.", place, "DA");
    }
    all
}

fn harmony_of_four() -> Vec<Pair> {
    let mut all = Vec::new();
    for (number, (bare, soft)) in things().enumerate() {
        let mut make = |frame: &str, stem: &str, suffix: &str, more: usize| {
            all.push(pair(frame, &with(stem, suffix), &attach(stem, suffix, fault(number + more)), Some(stem)));
        };
        make("Dün yeni _ gördüm.", soft, "(y)I", 0);
        make("Kardeşim _ bulamadı.", soft, "(y)I", 1);
        make("_ üstünde bir yazı vardı.", soft, "(n)In", 1);
        make("Bu iş _ olmaz.", bare, "sIz", 0);
    }
    all
}

fn softening() -> Vec<Pair> {
    let mut all = Vec::new();
    for (bare, soft) in SOFTENED {
        for (frame, suffix) in [
            ("Dün gece _ gördüm.", "(y)I"),
            ("Annem bu _ çok sevdi.", "(y)I"),
            ("Kimse _ bulamadı.", "(y)I"),
            ("Uzun süre _ baktık.", "(y)A"),
            ("Çocuk _ dokundu.", "(y)A"),
            ("Bu _ rengi çok güzel.", "(n)In"),
            ("Benim _ kayboldu.", "(I)m"),
            ("Senin _ nerede?", "(I)n"),
        ] {
            all.push(pair(frame, &with(soft, suffix), &with(bare, suffix), Some(soft)));
        }
    }
    all
}

fn buffers() -> Vec<Pair> {
    let mut all = Vec::new();
    let stems = THINGS.iter().chain(PLACES).chain(PEOPLE);
    for stem in stems {
        for (frame, right, without, superfluous) in [
            ("Sonunda _ gördük.", "(y)I", "I", "yI"),
            ("Herkes _ baktı.", "(y)A", "A", "yA"),
            ("_ rengi değişti.", "(n)In", "In", "nIn"),
        ] {
            let good = with(stem, right);
            let wrong = if good == with(stem, without) { superfluous } else { without };
            all.push(pair(frame, &good, &with(stem, wrong), Some(stem)));
        }
    }
    all
}

/// The first and second persons of singular and plural.
const PRONOUNS: [&str; 4] = ["ben", "sen", "biz", "siz"];

fn persons() -> Vec<Pair> {
    let endings = [
        ("yarın", ["(y)AcAKIm", "(y)AcAKsIn", "(y)AcAKIz", "(y)AcAKsInIz"], true),
        ("dün", ["DIm", "DIn", "DIk", "DInIz"], false),
        ("herhalde", ["mIşIm", "mIşsIn", "mIşIz", "mIşsInIz"], false),
    ];
    let mut all = Vec::new();
    for (number, (object, verb, soft)) in DEEDS.iter().enumerate() {
        for (adverb, endings, vowel) in endings {
            for (i, pronoun) in PRONOUNS.iter().enumerate() {
                let stem = if vowel { soft } else { verb };
                let other = endings[(i + 1 + number % 3) % 4];
                let frame = format!("{pronoun} {adverb} {object} _.");
                all.push(pair(&frame, &with(stem, endings[i]), &with(stem, other), Some(stem)));
            }
        }
    }
    all
}

fn cases() -> Vec<Pair> {
    let mut all = Vec::new();
    let mut make = |stems: &[&str], frame: &str, right: &str, wrong: &str| {
        for stem in stems {
            all.push(pair(frame, &with(stem, right), &with(stem, wrong), Some(stem)));
        }
    };
    let events: Vec<&str> = EVENTS.iter().filter(|event| !event.ends_with('k')).copied().collect();
    make(EVENTS, "_ sonra eve döndük.", "DAn", "DA");
    make(EVENTS, "Her şey _ önce hazırdı.", "DAn", "DA");
    make(&events, "_ dolayı geç kaldık.", "DAn", "(y)A");
    make(PLACES, "Akşam _ kadar yürüdük.", "(y)A", "DAn");
    make(PLACES, "Yol _ doğru gidiyor.", "(y)A", "DA");
    make(PEOPLE, "_ göre durum iyi.", "(y)A", "DAn");
    make(PEOPLE, "Sonuç _ rağmen değişmedi.", "(y)A", "DAn");
    make(PEOPLE, "Küçük kız _ korkuyor.", "DAn", "(y)I");
    make(PEOPLE, "Komşumuz _ hoşlanmıyor.", "DAn", "(y)I");
    make(PEOPLE, "Herkes _ inanıyor.", "(y)A", "DAn");
    make(PEOPLE, "Çocuk merakla _ bakıyor.", "(y)A", "DAn");
    all
}

fn possession() -> Vec<Pair> {
    let owners = [("benim", "(I)m"), ("senin", "(I)n"), ("bizim", "(I)mIz"), ("sizin", "(I)nIz"), ("onun", "(s)I")];
    let mut all = Vec::new();
    for (number, (bare, soft)) in things().enumerate() {
        for (i, (owner, suffix)) in owners.iter().enumerate() {
            let (_, other) = owners[(i + 1 + number % 4) % owners.len()];
            let frame = format!("{owner} _ masanın üstünde duruyor.");
            all.push(pair(&frame, &with(soft, suffix), &with(soft, other), Some(soft)));
        }
        let owner = with(PEOPLE[number % PEOPLE.len()], "(n)In");
        for end in ["kayboldu.", "çok eski."] {
            all.push(pair(&format!("{owner} _ {end}"), &with(soft, "(s)I"), bare, Some(soft)));
        }
    }
    all
}

fn numerals() -> Vec<Pair> {
    let mut all = Vec::new();
    for (number, (thing, _)) in things().enumerate() {
        for (i, frame) in ["Masada # _ var.", "Dün # _ gördük.", "Bize # _ daha gerekiyor."].iter().enumerate() {
            let frame = frame.replace('#', NUMERALS[(number + 4 * i) % NUMERALS.len()]);
            all.push(pair(&frame, thing, &with(thing, "lAr"), None));
        }
    }
    all
}

fn negation() -> Vec<Pair> {
    let mut all = Vec::new();
    for (number, (object, verb, soft)) in DEEDS.iter().enumerate() {
        let name = |more: usize| NAMES[(number + more) % NAMES.len()];
        let mut make = |frame: &str, right: String, wrong: String| all.push(pair(frame, &right, &wrong, Some(verb)));
        make(&format!("Kimse {object} _."), with(verb, "mADI"), with(verb, "DI"));
        make(&format!("Hiç kimse {object} _."), with(verb, "mAyAcAK"), with(soft, "(y)AcAK"));
        for more in [0, 7] {
            make(&format!("{} {object} asla _.", name(more)), with(verb, "mAyAcAK"), with(soft, "(y)AcAK"));
            make(&format!("{} {object} hiç _.", name(more + 3)), with(verb, "mADI"), with(verb, "DI"));
            make(&format!("{} henüz {object} _.", name(more + 5)), with(verb, "mADI"), with(verb, "DI"));
        }
        make(&format!("Hiçbirimiz {object} _."), with(verb, "mADIk"), with(verb, "DIk"));
    }
    all
}

fn questions() -> Vec<Pair> {
    let mut all = Vec::new();
    let mut make = |frame: String, stem: &str| {
        let number = all.len();
        // the particle is a word of its own, in harmony with the one before it
        let particle = |fault| attach(stem, " mI", fault);
        all.push(pair(&frame, &particle(None), &particle(fault(number)), None));
    };
    for (number, quality) in QUALITIES.iter().enumerate() {
        for (i, frame) in ["Bu # _?", "Senin için # _?", "Yeni # gerçekten _?"].iter().enumerate() {
            let thing = THINGS[(3 * number + 7 * i) % THINGS.len()];
            make(frame.replace('#', if i == 1 { "bu" } else { thing }), quality);
        }
    }
    for (number, (object, verb, _)) in DEEDS.iter().enumerate() {
        for more in [0, 9] {
            make(format!("{} dün {object} _?", NAMES[(number + more) % NAMES.len()]), &with(verb, "DI"));
            make(format!("{} bugün {object} _?", NAMES[(number + more + 4) % NAMES.len()]), &with(verb, "mIş"));
        }
    }
    for (number, person) in PEOPLE.iter().enumerate() {
        make(format!("{} bir _?", NAMES[number % NAMES.len()]), person);
    }
    all
}

fn tenses() -> Vec<Pair> {
    let mut all = Vec::new();
    for (number, (object, verb, soft)) in DEEDS.iter().enumerate() {
        let name = |more: usize| NAMES[(number + more) % NAMES.len()];
        let (past, told, future) = (with(verb, "DI"), with(verb, "mIş"), with(soft, "(y)AcAK"));
        let mut make = |frame: String, right: &str, wrong: &str| all.push(pair(&frame, right, wrong, None));
        make(format!("Dün {} {object} _.", name(0)), &past, &future);
        make(format!("Geçen hafta {} {object} _.", name(1)), &past, &future);
        make(format!("Yarın {} {object} _.", name(2)), &future, &past);
        make(format!("Gelecek yıl {} {object} _.", name(3)), &future, &past);
        make(format!("Meğer {} {object} _.", name(4)), &told, &past);
        make(format!("Meğerse {} {object} _.", name(5)), &told, &past);
        make(format!("{} {object} _ gibi konuştu.", name(6)), &told, &past);
        make(format!("Sanki {} {object} _ gibi davrandı.", name(7)), &told, &past);
        make(format!("{} az önce {object} _.", name(8)), &past, &future);
    }
    all
}

fn apostrophes() -> Vec<Pair> {
    let mut all = Vec::new();
    let mut make = |frame: &str, name: &str, suffix: &str| {
        let (stem, number) = (format!("{name}'"), all.len());
        let fault = if suffix.contains('A') { Some(Fault::Front) } else { fault(number) };
        all.push(pair(frame, &with(&stem, suffix), &attach(&stem, suffix, fault), None));
    };
    for town in TOWNS {
        make("Geçen yaz _ kaldık.", town, "DA");
        make("Bu tren _ geliyor.", town, "DAn");
        make("Yarın _ gidiyoruz.", town, "(y)A");
        make("_ nüfusu arttı.", town, "(n)In");
        make("Turistler _ çok sevdi.", town, "(y)I");
    }
    for name in NAMES {
        make("Kitabı _ aldım.", name, "DAn");
        make("Mektubu _ verdim.", name, "(y)A");
        make("_ kardeşi geldi.", name, "(n)In");
    }
    all
}
