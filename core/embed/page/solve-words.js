// The words of the page of boards in both languages.

const places = (cells) => cells.map(([row, column]) => `${row}. satır ${column}. sütunda`).join(' ve ');
const where = (cells) => cells.map(([row, column]) => `row ${row}, column ${column}`).join(' and ');

export const BOARD_WORDS = {
  tr: {
    skip: 'Tahtaya geç', title: 'Enerjiyle çözmek',
    lead: 'Bir sudokunun bütün kareleri tek bir enerji paylaşır. Model hepsini birlikte, bu enerjide adım adım inerek doldurur. Hepsi bu sayfada hesaplanır, hiçbir şey gönderilmez.',
    boardTitle: 'Tahta',
    boardHint: 'Bir kareyi seçip rakam yazın; silmek için geri tuşu. Ok tuşlarıyla gezin. Soluk rakamlar adaydır, boyları olasılıklarıdır.',
    pad: 'Seçili kareye yaz', erase: 'Sil', examplesTitle: 'Örnek tahtalar',
    easy: 'Kolay', medium: 'Orta', hard: 'Zor', hardest: 'Çok zor', empty: 'Boş',
    boardSteps: 'Adım sayısı', inspectBoard: 'Nasıl çözüldü', startsTitle: 'Başlangıçlar',
    startsHint: 'Her başlangıç kendi yolundan iner; serbest enerjisi en az olan seçilir. Birini seçin, onun yolunu izleyin.',
    freeTitle: 'Serbest enerji', solving: 'Çözülüyor…',
    given: (row, column, digit) => `${row}. satır ${column}. sütun: ${digit}, verilmiş`,
    likely: (row, column, digit, p) => `${row}. satır ${column}. sütun: ${digit}, olasılık ${p}`,
    unknownCell: (row, column) => `${row}. satır ${column}. sütun: boş`,
    repeat: (unit, number, digit, cells) =>
      `Çelişki: ${number}. ${{ row: 'satırda', column: 'sütunda', box: 'kutuda' }[unit]} ${digit} iki kez var, ${places(cells)}.`,
    noDigit: (row, column) => `Çelişki: ${row}. satır ${column}. sütuna hiçbir rakam gelemez.`,
    solved: (n, s) => `Çözüldü: ${n} başlangıç, ${s} saniye.`,
    wrong: (n) => `Cevapta ${n} çelişki var: tahtanın çözümü olmayabilir ya da model bulamadı. Başlangıç sayısını artırın.`,
    undecided: (n) => `${n} kare kararsız kaldı: tahtanın birden çok çözümü olabilir.`,
    start: (i) => `${i}. başlangıç`, least: 'seçilen', startLabel: (i, f) => `${i}. başlangıç, serbest enerji ${f}`,
    solution: 'Geçerli çözüm mü', free: 'Serbest enerji F', energy: 'Enerji E', entropy: 'Entropi', residual: 'Durmaya uzaklık',
    votes: 'Aynı cevabı verenler', of: (a, b) => `${a} / ${b}`,
    about: (n, model, memory, version) => `${n} kare · model ${model} · çalışma belleği ${memory} · ebt ${version} · çerez yok, ağ yok`,
  },
  en: {
    skip: 'Skip to the board', title: 'Solving with energy',
    lead: 'All cells of a Sudoku share one energy. The model fills them in together, descending that energy step by step. All of it is computed on this page, nothing is sent.',
    boardTitle: 'Board',
    boardHint: 'Choose a cell and type a digit; Backspace erases. Arrow keys move. Faint digits are candidates, as large as they are probable.',
    pad: 'Write into the chosen cell', erase: 'Erase', examplesTitle: 'Example boards',
    easy: 'Easy', medium: 'Medium', hard: 'Hard', hardest: 'Very hard', empty: 'Empty',
    boardSteps: 'Steps', inspectBoard: 'How it was solved', startsTitle: 'Starts',
    startsHint: 'Every start descends its own way; the one of least free energy is chosen. Choose one to follow its way.',
    freeTitle: 'Free energy', solving: 'Solving…',
    given: (row, column, digit) => `row ${row}, column ${column}: ${digit}, given`,
    likely: (row, column, digit, p) => `row ${row}, column ${column}: ${digit}, probability ${p}`,
    unknownCell: (row, column) => `row ${row}, column ${column}: empty`,
    repeat: (unit, number, digit, cells) => `Contradiction: ${unit} ${number} has ${digit} twice, in ${where(cells)}.`,
    noDigit: (row, column) => `Contradiction: no digit can stand in row ${row}, column ${column}.`,
    solved: (n, s) => `Solved: ${n} starts, ${s} seconds.`,
    wrong: (n) => `The answer has ${n} contradictions: the board may have no solution, or the model missed it. Try more starts.`,
    undecided: (n) => `${n} cells are undecided: the board may have more than one solution.`,
    start: (i) => `Start ${i}`, least: 'chosen', startLabel: (i, f) => `start ${i}, free energy ${f}`,
    solution: 'A valid solution', free: 'Free energy F', energy: 'Energy E', entropy: 'Entropy', residual: 'Distance from rest',
    votes: 'Starts with this answer', of: (a, b) => `${a} / ${b}`,
    about: (n, model, memory, version) => `${n} cells · model ${model} · working memory ${memory} · ebt ${version} · no cookies, no network`,
  },
};
