import type { Command } from './command.js';
import { adapt } from './commands/adapt.js';
import {
  adaptationsCancel,
  adaptationsList,
  adaptationsShow,
  adaptationsWatch,
} from './commands/adaptations.js';
import { chat } from './commands/chat.js';
import { classify } from './commands/classify.js';
import { down } from './commands/down.js';
import { evaluateTasks } from './commands/eval.js';
import { expertsAlias } from './commands/experts-alias.js';
import { expertsExport } from './commands/experts-export.js';
import { expertsList } from './commands/experts-list.js';
import { expertsPromote } from './commands/experts-promote.js';
import { expertsPublish } from './commands/experts-publish.js';
import { expertsRestore } from './commands/experts-restore.js';
import { expertsRetire } from './commands/experts-retire.js';
import { expertsSave } from './commands/experts-save.js';
import { expertsShow } from './commands/experts-show.js';
import { expertsVerify } from './commands/experts-verify.js';
import { expertsWatch } from './commands/experts-watch.js';
import { generate } from './commands/generate.js';
import { health } from './commands/health.js';
import { modelFetch } from './commands/model-fetch.js';
import { modelImport } from './commands/model-import.js';
import { modelList } from './commands/model-list.js';
import { modelShow } from './commands/model-show.js';
import { runsCancel, runsPause, runsResume } from './commands/runs-change.js';
import { runsCompare } from './commands/runs-compare.js';
import { runsList } from './commands/runs-list.js';
import { runsShow } from './commands/runs-show.js';
import { runsWatch } from './commands/runs-watch.js';
import { status } from './commands/status.js';
import { trace } from './commands/trace.js';
import { train } from './commands/train.js';
import { up } from './commands/up.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  up,
  down,
  status,
  generate,
  chat,
  classify,
  evaluateTasks,
  trace,
  train,
  runsList,
  runsShow,
  runsCompare,
  runsWatch,
  runsPause,
  runsResume,
  runsCancel,
  adapt,
  adaptationsList,
  adaptationsShow,
  adaptationsWatch,
  adaptationsCancel,
  modelFetch,
  modelImport,
  modelList,
  modelShow,
  expertsList,
  expertsShow,
  expertsPublish,
  expertsSave,
  expertsAlias,
  expertsPromote,
  expertsRetire,
  expertsWatch,
  expertsVerify,
  expertsExport,
  expertsRestore,
  health,
];
