import { run } from './use.js';

document.getElementById('said').textContent = await run().catch((error) => `failed: ${error}`);
