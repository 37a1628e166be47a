// A slice of the energy as a map: colours, contours, and the path of the descent.

const RAMPS = {
  light: [[22, 54, 80], [24, 98, 122], [60, 142, 146], [133, 184, 166], [205, 218, 190], [247, 241, 222]],
  dark: [[6, 20, 30], [14, 56, 72], [24, 96, 108], [66, 138, 134], [128, 172, 152], [186, 198, 170]],
};
const CONTOURS = 11;

function colour(ramp, share) {
  const place = Math.min(0.9999, Math.max(0, share)) * (ramp.length - 1);
  const [i, rest] = [Math.floor(place), place % 1];
  return ramp[i].map((c, k) => Math.round(c + (ramp[i + 1][k] - c) * rest));
}

/** Energies that bound the colours: outliers do not spoil the rest. */
function range(energies) {
  const sorted = Float32Array.from(energies).sort();
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const [low, high] = [at(0), at(0.97)];
  return high > low ? [low, high] : [low, low + 1];
}

/** Draws `surface` with its path up to step `now` on the canvas. */
export function drawTerrain(canvas, surface, now, dark) {
  const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
  const [width, height] = [canvas.clientWidth || 400, canvas.clientHeight || 300];
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  context.clearRect(0, 0, width, height);
  if (!surface?.energies) return;
  const { columns, rows, left, right, top, bottom, energies, points, fromEven } = surface;
  const [low, high] = range(energies);
  const ramp = dark ? RAMPS.dark : RAMPS.light;

  const small = new OffscreenCanvas(columns, rows);
  const inner = small.getContext('2d');
  const image = inner.createImageData(columns, rows);
  energies.forEach((energy, i) => image.data.set([...colour(ramp, Math.sqrt(Math.max(0, (energy - low) / (high - low)))), 255], i * 4));
  inner.putImageData(image, 0, 0);
  // the value of a cell stands at its middle: the outer half cells are cut off
  context.imageSmoothingQuality = 'high';
  context.drawImage(small, 0.5, 0.5, columns - 1, rows - 1, 0, 0, width, height);

  const x = (a) => ((a - left) / (right - left)) * width;
  const y = (b) => ((top - b) / (top - bottom)) * height;
  contours(context, surface, low, high, width, height);

  context.strokeStyle = context.fillStyle = '#fff';
  ring(context, x(-1), y(0), 6, 'rgba(0,0,0,.55)', 4);
  ring(context, x(-1), y(0), 6, '#fff', 2);
  const shown = points.slice(0, now);
  for (const [style, line] of [['rgba(0,0,0,.6)', 5], ['#fff', 2.2]]) {
    context.beginPath();
    if (fromEven) context.moveTo(x(-1) + 6, y(0));
    shown.forEach(({ a, b }, i) => (i || fromEven ? context.lineTo(x(a), y(b)) : context.moveTo(x(a), y(b))));
    [context.strokeStyle, context.lineWidth, context.lineJoin] = [style, line, 'round'];
    context.stroke();
  }
  shown.forEach(({ a, b }, i) => {
    const last = i + 1 === shown.length;
    context.beginPath();
    context.arc(x(a), y(b), last ? 7 : 3.5, 0, 2 * Math.PI);
    context.fillStyle = last ? '#ffb454' : '#fff';
    context.fill();
    [context.strokeStyle, context.lineWidth] = ['rgba(0,0,0,.7)', 1.5];
    context.stroke();
  });
}

function ring(context, x, y, radius, style, line) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  [context.strokeStyle, context.lineWidth] = [style, line];
  context.stroke();
}

/** Marching squares: where an edge of a cell crosses a level, linearly; crossings of a cell are joined in pairs. */
function contours(context, { columns, rows, energies }, low, high, width, height) {
  context.lineWidth = 1;
  context.strokeStyle = 'rgba(255,255,255,.34)';
  const [dx, dy] = [width / (columns - 1), height / (rows - 1)];
  for (let level = 1; level <= CONTOURS; level++) {
    const share = level / (CONTOURS + 1);
    const value = low + (high - low) * share * share;
    context.beginPath();
    for (let row = 0; row + 1 < rows; row++) {
      for (let column = 0; column + 1 < columns; column++) {
        const corner = [[0, 0], [1, 0], [1, 1], [0, 1]];
        const e = corner.map(([i, j]) => energies[(row + j) * columns + column + i] - value);
        const cuts = [];
        for (let k = 0; k < 4; k++) {
          const next = (k + 1) % 4;
          if (e[k] < 0 === e[next] < 0) continue;
          const t = e[k] / (e[k] - e[next]);
          const [[i, j], [m, n]] = [corner[k], corner[next]];
          cuts.push([(column + i + (m - i) * t) * dx, (row + j + (n - j) * t) * dy]);
        }
        for (let k = 0; k + 1 < cuts.length; k += 2) {
          context.moveTo(...cuts[k]);
          context.lineTo(...cuts[k + 1]);
        }
      }
    }
    context.stroke();
  }
}
