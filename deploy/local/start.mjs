/** `npm start`: set-up if something is missing, then the mesh and its demo. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { orExit, root, setUp } from './setup.mjs';

await orExit(() => setUp());
await import(pathToFileURL(join(root, 'dist/deploy/local/demo.js')).href);
