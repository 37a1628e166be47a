// The jobs of a worker, one at a time. A newer one waits until the one that runs has ended, which looks for it at its pauses.

let waiting = null;
let running = false;

/** Whether a newer job waits. */
export const isWaiting = () => waiting !== null;

/** Lets messages in. */
export const pause = () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => (port1.close(), resolve());
  port2.postMessage(null);
});

/** Runs the job that a message asks for, `jobs[type]`; what it throws is told. */
export function serve(jobs) {
  self.onmessage = async ({ data }) => {
    waiting = data;
    if (running) return;
    running = true;
    while (waiting) {
      const job = waiting;
      waiting = null;
      try {
        await jobs[job.type](job);
      } catch (error) {
        postMessage({ type: 'problem', job: job.job, message: String(error?.message ?? error) });
      }
    }
    running = false;
  };
}
