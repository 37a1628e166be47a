// Asks the server for completions as a stream, and shows how every token was found.

const at = (id) => document.getElementById(id);
const number = (id) => Number(at(id).value);
const words = {
  tr: { token: "parça", probability: "olasılık", steps: "adım", energy: "enerji", done: "Bitti", stopped: "Durduruldu", waits: "Düşünülüyor…" },
  en: { token: "token", probability: "probability", steps: "steps", energy: "energy", done: "Done", stopped: "Stopped", waits: "Thinking…" },
};
let language = "tr";
let tokens = [];
let text = "";
let asking = null;
let chosen = -1;

at("language").onclick = () => {
  language = language === "tr" ? "en" : "tr";
  document.documentElement.lang = language;
  at("language").textContent = language === "tr" ? "English" : "Türkçe";
  at("language").lang = language === "tr" ? "en" : "tr";
  for (const element of document.querySelectorAll("[data-en]")) {
    [element.textContent, element.dataset.en] = [element.dataset.en, element.textContent];
  }
  if (chosen >= 0) choose(chosen);
};

// The objects in the events of a body, one after another.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the answer was broken off");
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

async function ask() {
  asking = new AbortController();
  [tokens, text, chosen] = [[], "", -1];
  at("list").replaceChildren();
  at("prefix").textContent = at("text").value;
  at("figure").hidden = true;
  say(words[language].waits);
  [at("go").disabled, at("stop").disabled, at("keep").disabled] = [true, false, true];
  const headers = { "Content-Type": "application/json" };
  if (at("key").value) headers.Authorization = `Bearer ${at("key").value}`;
  const ebt = { certificate: true, candidates: number("candidates") };
  if (number("think") > 0) ebt.think = number("think");
  if (at("armijo").checked) ebt.step_size = "armijo";
  const request = {
    prompt: at("text").value, max_tokens: number("tokens"), temperature: number("temperature"), seed: number("seed"), stream: true, ebt,
  };
  const begun = performance.now();
  try {
    const answer = await fetch("v1/completions", {
      method: "POST", headers, body: JSON.stringify(request), signal: asking.signal,
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    for await (const event of events(answer.body)) {
      if (event.error) throw new Error(event.error.message);
      for (const choice of event.choices) {
        text += choice.text;
        for (const token of choice.ebt?.tokens ?? []) show(token);
      }
    }
    const seconds = (performance.now() - begun) / 1000;
    say(`${words[language].done}: ${tokens.length} ${words[language].token}, ${seconds.toFixed(1)} s`);
  } catch (error) {
    if (error.name === "AbortError") say(words[language].stopped);
    else say(error.message, true);
  }
  asking = null;
  [at("go").disabled, at("stop").disabled, at("keep").disabled] = [false, true, text === ""];
}

function say(sentence, failed = false) {
  at("status").textContent = sentence;
  at("status").classList.toggle("failed", failed);
}

function show(token) {
  const index = tokens.push(token) - 1;
  const element = document.createElement("span");
  element.className = "token";
  element.textContent = token.piece;
  element.style.setProperty("--sure", token.probability);
  element.setAttribute("role", "button");
  element.setAttribute("aria-pressed", "false");
  element.tabIndex = index === 0 ? 0 : -1;
  element.onclick = () => choose(index);
  element.onkeydown = (event) => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Enter: index, " ": index }[event.key];
    if (to === undefined || !tokens[to]) return;
    event.preventDefault();
    choose(to);
  };
  at("list").append(element);
}

function choose(index) {
  const all = at("list").children;
  if (all[chosen]) [all[chosen].ariaPressed, all[chosen].tabIndex] = ["false", -1];
  chosen = index;
  [all[index].ariaPressed, all[index].tabIndex] = ["true", 0];
  all[index].focus();
  const { piece, probability, certificate } = tokens[index];
  const { energies, energies_after: after, steps } = certificate;
  const name = words[language];
  at("caption").textContent =
    `“${piece}”: ${name.probability} ${probability.toFixed(3)}, ${steps} ${name.steps}, ${name.energy} ${energies.map((e) => e.toFixed(2)).join(" → ")}`;
  draw(energies, after);
  at("figure").hidden = energies.length === 0;
}

// A line a step, from the energy before it to the one after it on the same landscape.
function draw(before, after) {
  const all = [...before, ...after];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = (step) => 50 + (410 * step) / Math.max(before.length, 1);
  const y = (energy) => 160 - (140 * (energy - low)) / (high - low || 1);
  const make = (kind, attributes, content) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (content !== undefined) element.textContent = content;
    return element;
  };
  const parts = [low, high].flatMap((energy) => [
    make("line", { class: "axis", x1: 45, x2: 470, y1: y(energy), y2: y(energy) }),
    make("text", { x: 40, y: y(energy) + 4, "text-anchor": "end" }, energy.toFixed(2)),
  ]);
  before.forEach((energy, step) => {
    const end = after[step] ?? energy;
    parts.push(make("polyline", { class: "fall", points: `${x(step)},${y(energy)} ${x(step + 1)},${y(end)}` }));
    parts.push(make("circle", { cx: x(step), cy: y(energy), r: 3.5 }), make("circle", { cx: x(step + 1), cy: y(end), r: 3.5 }));
    parts.push(make("text", { x: x(step + 0.5), y: 176, "text-anchor": "middle" }, step + 1));
  });
  at("chart").replaceChildren(...parts);
}

at("go").onclick = ask;
at("stop").onclick = () => asking?.abort();
at("keep").onclick = () => {
  at("text").value += text;
  text = "";
  at("keep").disabled = true;
};
at("text").onkeydown = (event) => {
  if (event.key === "Enter" && event.ctrlKey && !asking) ask();
};
