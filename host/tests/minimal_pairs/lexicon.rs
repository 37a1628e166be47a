//! Words of the sample text, by what can be said of them.

/// Things, whose stems stay as they are before vowels.
pub const THINGS: &[&str] = &[
    "defter", "kalem", "masa", "sandalye", "kapı", "pencere", "anahtar", "telefon", "bilgisayar", "araba", "bisiklet", "ayakkabı",
    "şapka", "gazete", "dergi", "fotoğraf", "süt", "çay", "kahve", "elma", "peynir", "yumurta", "çorba", "pasta", "bilet", "harita",
    "rapor", "belge", "dosya", "program", "proje", "haber", "film", "şarkı", "oyun", "top", "halı", "perde", "taş", "kutu", "kasa",
    "sepet", "silah", "mesaj", "paket", "ekran", "tablo", "liste", "roman", "makale", "kamera", "makine", "gemi", "tren", "otobüs",
];

/// Things whose last consonant softens before a vowel, with the form that it takes.
pub const SOFTENED: &[(&str, &str)] = &[
    ("kitap", "kitab"), ("mektup", "mektub"), ("bıçak", "bıçağ"), ("ekmek", "ekmeğ"), ("balık", "balığ"), ("ilaç", "ilac"),
    ("ağaç", "ağac"), ("çiçek", "çiçeğ"), ("yaprak", "yaprağ"), ("yatak", "yatağ"), ("köpek", "köpeğ"), ("kanat", "kanad"),
    ("tarak", "tarağ"), ("oyuncak", "oyuncağ"), ("bardak", "bardağ"), ("gömlek", "gömleğ"), ("uçak", "uçağ"), ("sözlük", "sözlüğ"),
    ("bayrak", "bayrağ"), ("çorap", "çorab"), ("tavuk", "tavuğ"), ("inek", "ineğ"), ("kürek", "küreğ"), ("kılıç", "kılıc"),
    ("kazak", "kazağ"), ("kitaplık", "kitaplığ"), ("kaynak", "kaynağ"), ("örnek", "örneğ"), ("toprak", "toprağ"),
];

/// Places.
pub const PLACES: &[&str] = &[
    "ev", "bahçe", "oda", "okul", "hastane", "köy", "park", "köprü", "deniz", "göl", "dağ", "orman", "cadde", "ofis", "otel",
    "restoran", "pazar", "müze", "tiyatro", "sinema", "kütüphane", "üniversite", "fabrika", "çiftlik", "havuz", "ada", "vadi", "kale",
    "meydan", "banka", "salon", "bodrum", "istasyon", "liman", "depo", "mağaza", "eczane", "kasaba", "mahalle", "apartman", "bina",
];

/// Persons by what they do or are.
pub const PEOPLE: &[&str] = &[
    "öğretmen", "öğrenci", "doktor", "mühendis", "arkadaş", "kardeş", "kadın", "adam", "anne", "baba", "komşu", "müdür", "işçi",
    "yazar", "polis", "asker", "şoför", "hemşire", "avukat", "sanatçı", "gazeteci", "başkan", "bakan", "misafir", "yolcu", "turist",
    "yönetici", "garson", "balıkçı", "çoban", "çiftçi", "memur", "oyuncu", "şarkıcı", "ressam", "mimar", "pilot", "kaptan", "müşteri",
];

/// Names of places.
pub const TOWNS: &[&str] = &[
    "Ankara", "İstanbul", "İzmir", "Bursa", "Antalya", "Türkiye", "Almanya", "Fransa", "Londra", "Paris", "Berlin", "Trabzon", "Konya",
    "Adana", "Rusya", "İtalya", "Mısır", "Avrupa", "Asya", "Amerika", "Japonya", "Çin", "Hindistan", "Kıbrıs", "Yunanistan", "İngiltere",
    "İspanya", "Kanada", "Karadeniz", "Akdeniz", "Anadolu", "Diyarbakır", "Edirne", "Mersin", "Muğla", "Kayseri", "Eskişehir", "Roma",
    "Viyana", "Moskova", "Brüksel", "Madrid", "Tokyo", "Irak", "İran", "Suriye", "Bulgaristan", "Portekiz", "Hollanda", "Afrika", "Van",
    "Rize", "Denizli", "Amasya", "Hatay",
];

/// Names of persons.
pub const NAMES: &[&str] = &[
    "Ahmet", "Mehmet", "Ayşe", "Fatma", "Ali", "Osman", "Murat", "Selim", "Zeynep", "Elif", "Hasan", "Hüseyin", "Emine", "Mustafa",
    "Orhan", "Yusuf", "Süleyman", "Ömer", "Kerem", "Sema", "Selin", "Nuri", "Hakan", "İbrahim", "Burak",
];

/// What somebody does: an object as it stands before the verb, the verb, and the verb before a vowel.
pub const DEEDS: &[(&str, &str, &str)] = &[
    ("kitabı", "oku", "oku"), ("mektubu", "yaz", "yaz"), ("filmi", "izle", "izle"), ("kapıyı", "aç", "aç"),
    ("raporu", "hazırla", "hazırla"), ("arabayı", "sat", "sat"), ("evi", "temizle", "temizle"), ("soruyu", "sor", "sor"),
    ("okula", "git", "gid"), ("işe", "başla", "başla"), ("anahtarı", "bul", "bul"), ("haberi", "dinle", "dinle"),
    ("resmi", "çiz", "çiz"), ("dosyayı", "gönder", "gönder"), ("çorbayı", "pişir", "pişir"), ("kahveyi", "iç", "iç"),
    ("parayı", "öde", "öde"), ("pencereyi", "kapat", "kapat"), ("dili", "öğren", "öğren"), ("eve", "dön", "dön"),
    ("otobüsü", "bekle", "bekle"), ("ödevi", "bitir", "bitir"), ("telefonu", "bırak", "bırak"), ("ekmeği", "kes", "kes"),
];

/// What something may be.
pub const QUALITIES: &[&str] = &[
    "güzel", "eski", "yeni", "pahalı", "ucuz", "büyük", "küçük", "önemli", "iyi", "kötü", "kolay", "zor", "doğru", "uzun", "kısa",
    "sıcak", "soğuk", "temiz", "boş", "dolu", "mavi", "yeşil", "kırmızı", "hızlı", "yavaş", "ağır", "gerçek", "farklı",
];

/// What takes some time.
pub const EVENTS: &[&str] = &[
    "ders", "toplantı", "yemek", "film", "oyun", "sınav", "konser", "maç", "savaş", "seçim", "yolculuk", "düğün", "tatil", "kahvaltı",
];

/// Numerals.
pub const NUMERALS: &[&str] = &["iki", "üç", "dört", "beş", "altı", "yedi", "sekiz", "on", "yirmi"];
