//! Loan words whose last consonant is said clear and that take front suffixes after a back vowel: saat-ler, rol-ü.

/// Whether a root, given by its lower-case letters, is one of them.
pub(super) fn takes_front_suffixes(root: &[char]) -> bool {
    // nearly every root is turned away by its last letter
    root.last().is_some_and(|last| matches!(last, 'b' | 'd' | 'f' | 'k' | 'l' | 'p' | 't'))
        && FRONT.iter().any(|word| word.chars().eq(root.iter().copied()))
}

/// The words by their endings; those whose last consonant softens before a vowel in both forms.
#[rustfmt::skip]
const FRONT: &[&str] = &[
    // -al
    "ahval", "amiral", "anormal", "bilal", "celal", "cemal", "dijital", "emsal", "faal", "federal", "festival", "final",
    "formal", "general", "global", "hal", "hâl", "hayal", "helal", "hilal", "ideal", "ihlal", "ihmal", "ihtilal",
    "ihtimal", "ikbal", "ikmal", "illegal", "imal", "infial", "intikal", "iptal", "ishal", "istihsal", "istikbal",
    "istiklal", "istimal", "işgal", "ithal", "kapital", "kardinal", "kemal", "kristal", "legal", "liberal", "lokal",
    "maksimal", "mareşal", "meal", "medikal", "metal", "mineral", "minimal", "misal", "moral", "normal", "opal",
    "optimal", "oral", "oval", "pastoral", "portal", "radikal", "resital", "santral", "sinyal", "sosyal", "spiral",
    "sual", "terminal", "tropikal", "vandal", "visal", "vokal", "zeval",
    // -ol, -ul
    "alkol", "bandrol", "bemol", "fenol", "gol", "hol", "idol", "karambol", "kolesterol", "kontrol", "mentol",
    "metropol", "monopol", "petrol", "protokol", "rol", "sembol", "ampul", "gayrimenkul", "husul", "kabul", "mahsul",
    "makbul", "makul", "mebzul", "meçhul", "menkul", "mesul", "meşgul", "nüzul", "resul", "usul", "vusul",
    // -at
    "belagat", "bidat", "cemaat", "cerahat", "dikkat", "fecaat", "feragat", "hakikat", "hilkat", "istirahat", "itaat",
    "kabahat", "kanaat", "kıraat", "liyakat", "lügat", "menfaat", "meşakkat", "nasihat", "refakat", "rikkat", "saat",
    "sadakat", "seyahat", "sıhhat", "sürat", "şecaat", "şefaat", "şefkat", "vaat", "ziraat", "vaad",
    // others
    "emlak", "golf", "harb", "harf", "harp", "helak", "idrak", "istimlak", "iştirak", "kalb", "kalp", "rabb",
];
