// Keeps the page's own files, so that it opens without a network. A file that changed is fetched anew when there is one.

const STORE = 'ebt-3';
const FILES = [
  './', 'index.html', 'solve.html', 'restore.html', 'style.css', 'solve.css', 'restore.css', 'main.js', 'words.js', 'energy.js', 'terrain.js',
  'slice.js', 'jobs.js', 'worker.js', 'solve.js', 'solve-edit.js', 'solve-starts.js', 'solve-view.js', 'solve-words.js', 'solve-worker.js',
  'restore.js', 'restore-player.js', 'restore-settle.js', 'restore-view.js', 'restore-words.js', 'restore-worker.js',
  'ebt.js', 'instance.js', 'restorer.js', 'solver.js', 'sudoku.js', 'ebt.wasm', 'model.packed', 'solver.packed', 'restorer.packed',
];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(STORE).then((store) => store.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener('activate', (event) => {
  const old = (names) => names.filter((name) => name.startsWith('ebt-') && name !== STORE);
  event.waitUntil(caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).origin !== location.origin) return;
  event.respondWith(caches.open(STORE).then(async (store) => {
    try {
      const answer = await fetch(request);
      if (answer.ok) await store.put(request, answer.clone());
      return answer;
    } catch {
      return (await store.match(request, { ignoreSearch: true })) ?? Response.error();
    }
  }));
});
