// The words of the page in both languages, and numbers as each writes them.

const WORDS = {
  tr: {
    name: 'Türkçe', other: 'English', pages: 'Sayfalar', pageText: 'Metin', pageBoard: 'Sudoku', pageLetters: 'Harfler', skip: 'Metne geç', title: 'Enerjiyle düşünmek',
    lead: 'Yazın; model her sözcüğü, bir enerji yüzeyinde adım adım inerek bulur. Hepsi bu sayfada hesaplanır, hiçbir şey gönderilmez.',
    write: 'Metin', textLabel: 'Sürdürülecek metin',
    textHint: 'Siz yazarken bir sonraki parça düşünülür. Ctrl + Enter sürdürür.',
    chips: 'Sözcük önerileri', chip: (w, p) => `${w}, olasılık ${p}`,
    go: 'Sürdür', stop: 'Durdur', keep: 'Metne ekle', settings: 'Ayarlar', tokens: 'Parça sayısı',
    steps: 'Adım (0: modelinki)', starts: 'Başlangıç sayısı', temperature: 'Sıcaklık', seed: 'Tohum',
    armijo: 'Her adımda enerji kesin düşsün (Armijo)', tokensTitle: 'Üretilen parçalar',
    tokensHint: 'Bir parçayı seçin: nasıl bulunduğunu görün. Ok tuşlarıyla gezin.', inspect: 'Nasıl bulundu',
    play: 'Adımları oynat', stepLabel: 'Adım', candidatesTitle: 'Adaylar', energyTitle: 'Enerji',
    terrainTitle: 'İnilen yüzey', certificateTitle: 'Belge',
    loading: 'Model yükleniyor…', ready: 'Hazır.', thinking: 'Düşünülüyor…',
    done: (n, s) => `${n} parça, ${s} saniyede.`, ended: (n, s) => `${n} parça, ${s} saniyede. Model metni bitirdi.`,
    stopped: (n) => `${n} parçadan sonra durduruldu.`, problem: (m) => `Olmadı: ${m}`,
    next: 'sonraki parça', step: (i, n) => `${i} / ${n}`, stepSpoken: (i, n) => `${n} adımın ${i}. adımı`,
    token: (t, n, p) => `${t}: ${n} adım, olasılık ${p}`,
    energyText: (n, a, b) => `${n} adımda ${a} değerinden ${b} değerine.`,
    energyChanged: ' Kesikli çizgi: model bir sonraki yüzeye geçer.',
    terrainText: (a, b) => `Koyu yer düşük enerji. Sağa doğru cevabın kesinliği artar, sol uçtaki halka hiçbir şey bilmemektir; yukarı “${a}”, aşağı “${b}” ağır basar. Yol bu kesite izdüşürülmüştür.`,
    terrainWait: 'Yüzey hesaplanıyor…', terrainNone: 'Yüzey, düşünülen parça için çizilir.',
    terrainLabel: (n, a, b) => `Enerji yüzeyinin iki boyutlu kesiti; ${n} noktalı iniş yolu ${a} enerjisinden ${b} enerjisine iner.`,
    axisStep: 'adım', stepsSpent: 'Harcanan adım', stopWhy: 'Neden durdu', dropped: 'Her adımda düştü mü',
    drop: 'Toplam düşüş', size: 'Adım boyu (ilk → son)', landscapes: 'Yüzeyler', chance: 'Çekilme olasılığı',
    yes: 'evet', no: 'hayır', unknown: 'ölçülmedi', special: '(metin sonu)', space: 'boşluk',
    why: { steps: 'adımlar bitti', energy: 'enerji değişmiyor', dissipation: 'eğim çok küçük', stationary: 'dip noktası' },
    about: (v, model, memory, version) => `${v} parçalık sözlük · model ${model} · çalışma belleği ${memory} · ebt ${version} · çerez yok, ağ yok`,
  },
  en: {
    name: 'English', other: 'Türkçe', pages: 'Pages', pageText: 'Text', pageBoard: 'Sudoku', pageLetters: 'Letters', skip: 'Skip to the text', title: 'Thinking with energy',
    lead: 'Type Turkish; the model finds every word by descending an energy surface step by step. All of it is computed on this page, nothing is sent.',
    write: 'Text', textLabel: 'Text to continue',
    textHint: 'The next piece is thought of while you type. Ctrl + Enter continues.',
    chips: 'Words suggested', chip: (w, p) => `${w}, probability ${p}`,
    go: 'Continue', stop: 'Stop', keep: 'Add to the text', settings: 'Settings', tokens: 'Pieces',
    steps: "Steps (0: the model's)", starts: 'Starts', temperature: 'Temperature', seed: 'Seed',
    armijo: 'Every step must lower the energy (Armijo)', tokensTitle: 'Generated pieces',
    tokensHint: 'Choose a piece to see how it was found. Arrow keys move.', inspect: 'How it was found',
    play: 'Play the steps', stepLabel: 'Step', candidatesTitle: 'Candidates', energyTitle: 'Energy',
    terrainTitle: 'The surface descended', certificateTitle: 'Certificate',
    loading: 'Loading the model…', ready: 'Ready.', thinking: 'Thinking…',
    done: (n, s) => `${n} pieces in ${s} seconds.`, ended: (n, s) => `${n} pieces in ${s} seconds. The model ended the text.`,
    stopped: (n) => `Stopped after ${n} pieces.`, problem: (m) => `That failed: ${m}`,
    next: 'next piece', step: (i, n) => `${i} / ${n}`, stepSpoken: (i, n) => `step ${i} of ${n}`,
    token: (t, n, p) => `${t}: ${n} steps, probability ${p}`,
    energyText: (n, a, b) => `From ${a} to ${b} in ${n} steps.`,
    energyChanged: ' Dashes: the model moves on to its next surface.',
    terrainText: (a, b) => `Dark is low energy. To the right the answer grows more certain, the ring on the left is knowing nothing; up favours “${a}”, down “${b}”. The path is projected onto this slice.`,
    terrainWait: 'Computing the surface…', terrainNone: 'The surface is drawn for the piece thought of.',
    terrainLabel: (n, a, b) => `A two-dimensional slice of the energy; the path of descent has ${n} points and falls from ${a} to ${b}.`,
    axisStep: 'step', stepsSpent: 'Steps spent', stopWhy: 'Why it stopped', dropped: 'Fell at every step',
    drop: 'Total drop', size: 'Step size (first → last)', landscapes: 'Surfaces', chance: 'Probability of the draw',
    yes: 'yes', no: 'no', unknown: 'not measured', special: '(end of text)', space: 'space',
    why: { steps: 'all steps taken', energy: 'energy no longer changes', dissipation: 'hardly any slope', stationary: 'a minimum' },
    about: (v, model, memory, version) => `${v} pieces of vocabulary · model ${model} · working memory ${memory} · ebt ${version} · no cookies, no network`,
  },
};

let language = 'tr';

/** The words of the language in use. */
export const words = () => WORDS[language];

/** Adds the words of a page, `{ tr, en }`. */
export function addWords(more) {
  for (const [name, own] of Object.entries(more)) Object.assign(WORDS[name], own);
}

/** The language that was chosen on an earlier visit, or null. */
export function rememberedLanguage() {
  try {
    return localStorage.getItem('language');
  } catch {
    return null; // no storage
  }
}

/** Changes the language of the page, for later visits too, and returns it. */
export function setLanguage(name) {
  language = name in WORDS ? name : 'tr';
  document.documentElement.lang = language;
  document.title = words().title;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = words()[node.dataset.t];
  for (const node of document.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', words()[node.dataset.tLabel]);
  const other = document.getElementById('language');
  other.textContent = words().other;
  other.lang = language === 'tr' ? 'en' : 'tr';
  try {
    localStorage.setItem('language', language);
  } catch {
    // no storage: the choice lasts as long as the page
  }
  return language;
}

export const currentLanguage = () => language;

/** A number with `digits` decimals. */
export const decimal = (x, digits = 2) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(x);

/** A number with three significant digits, whatever its size. */
export const short = (x) => new Intl.NumberFormat(language, { maximumSignificantDigits: 3 }).format(x);

export function percent(x) {
  const text = (value) => new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: value < 0.0995 ? 1 : 0 }).format(value);
  return x > 0 && x < 0.0005 ? `< ${text(0.001)}` : text(x);
}

export const size = (bytes) =>
  bytes < 1 << 20 ? `${decimal(bytes / 1024, 0)} KiB` : `${decimal(bytes / (1 << 20), 1)} MiB`;

/** A piece as it can be read: white space is shown, special tokens are named. */
export function visible(text) {
  if (text === '') return words().special;
  return text.replace(/^ /, '␣').replace(/\n/g, '⏎').replace(/\t/g, '⇥');
}
