// The player of the page of letters: a passage of the restored text, and how many of its letters are settled.

import { buildStage, drawDoubts, drawSurprise, isRight, passageFrom } from './restore-settle.js';
import { chance, sayLetter } from './restore-view.js';
import { decimal, words } from './words.js';

const $ = (id) => document.getElementById(id);
const TICK = 80; // milliseconds of a step that is played
const EASE = 16; // of the letters left, one in so many settles in a played step: the last ones come one by one

/** The player of what `text` holds (restore-view.js); `least()` is the probability below which a letter is unsure. */
export function buildPlayer(text, least) {
  let passage = null;
  let drawStage = () => {};
  let now = 0;
  /** The letter that was chosen, `{ i, at }`. */
  let chosen = null;
  let timer = 0;

  const stop = () => {
    clearInterval(timer);
    timer = 0;
  };

  /** Shows the passage that begins with piece `first`, all of it settled. */
  function settle(first) {
    stop();
    passage = passageFrom(text.pieces(), first);
    drawStage = buildStage($('stage'), passage);
    now = passage.order.length;
    show();
  }

  /** Chooses a letter in doubt: its passage is shown at the moment when it settles. */
  function choose(letter) {
    if (!passage || letter.i < passage.first || letter.i >= passage.end) settle(letter.i);
    stop();
    chosen = letter;
    now = passage.order.findIndex(({ i, at }) => i === letter.i && at === letter.at) + 1;
    show();
  }

  /** Plays the passage from its beginning. */
  function start() {
    if (!passage || passage.order.length === 0) return;
    stop();
    const most = passage.order.length;
    now = 0;
    show();
    timer = setInterval(() => {
      now += Math.ceil((most - now) / EASE);
      show();
      if (now >= most) stop();
    }, TICK);
  }

  function hint() {
    const whole = passage.end - passage.first === text.pieces().length;
    $('stage-hint').textContent = words().stageHint + (whole ? '' : words().stagePart(decimal(passage.length, 0)));
  }

  function show() {
    if (!passage) return;
    const most = passage.order.length;
    $('play').disabled = $('step').disabled = most === 0;
    $('step').max = String(most);
    $('step').value = String(now);
    $('step').setAttribute('aria-valuetext', words().stepSpoken(now, most));
    $('step-text').textContent = words().step(now, most);
    const latest = passage.order[now - 1];
    $('chosen').textContent = latest ? `${latest.piece.is[latest.at]} ${chance(latest.p)}` : '';
    hint();
    drawStage(now);
    $('surprise-text').textContent = drawSurprise($('surprise'), passage, now, least());
    const doubts = drawDoubts($('doubts'), passage, now, chosen);
    $('doubts-text').textContent = doubts === 0 ? words().doubtsNone : words().doubtsHint;
    text.press(chosen?.i ?? null, chosen?.at);
    $('letter').textContent = chosen ? sayLetter(text.pieces()[chosen.i], chosen.at) : words().letterHint;
  }

  $('doubts').addEventListener('click', ({ target }) => {
    const button = target.closest('.doubt');
    if (button) choose({ i: Number(button.dataset.i), at: Number(button.dataset.at) });
  });
  $('step').addEventListener('input', () => {
    stop();
    now = $('step').valueAsNumber;
    show();
  });
  $('play').addEventListener('click', start);
  new ResizeObserver(show).observe($('surprise'));

  return {
    choose, start, stop, show,
    /** Shows the passage at the beginning of the text, unless what is shown is in it as it is. */
    refresh() {
      const pieces = text.pieces();
      const lost = chosen && pieces[chosen.i]?.inDoubt[chosen.at] !== 1;
      if (lost) chosen = null;
      if (!passage || !isRight(passage, pieces)) settle(0);
      else if (lost) show();
      else hint();
    },
    /** Forgets the passage and what was chosen, when another text comes. */
    forget() {
      stop();
      [passage, chosen] = [null, null];
    },
  };
}
