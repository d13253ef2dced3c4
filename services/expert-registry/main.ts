import { runProgram } from '#shared/program.js';
import { loadConfig, SETTINGS } from './config.js';
import { startRegistry } from './server.js';

runProgram({
  name: 'expert-registry',
  about: 'keeps experts: immutable versions, aliases, and what becomes of them',
  settings: SETTINGS,
  load: loadConfig,
  start: startRegistry,
});
