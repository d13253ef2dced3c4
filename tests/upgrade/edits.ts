/** One change of a source file; `find` must stand there exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const V1 = 'proto/zmesh/v1';

/** Adds a field with the number 1000 after a line of a message. */
const field = (file: string, after: string, declaration: string): Edit => ({
  file: `${V1}/${file}`,
  find: after,
  replace: `${after}\n  // Only the next version knows it.\n  ${declaration}`,
});

/**
 * What makes the sources of this version those of a next one, as its authors would write it: new fields in what is sent and
 * stored, a new reason, a new kind of event, a spec with a new field that takes part in the version's hash, jobs with a new
 * meaning. What needs the next version to be understood is written in a higher format, everything else as before.
 */
export const NEXT_VERSION: readonly Edit[] = [
  { file: 'package.json', find: '"version": "', replace: '"version": "1000.' },
  // The contract.
  field('errors.proto', '  ERROR_REASON_FORMAT_NEWER = 49;', 'ERROR_REASON_FROM_TOMORROW = 1000;'),
  field('expert_registry.proto', '  repeated string categories = 10;', 'string mood = 1000;'),
  field('expert_registry.proto', '  uint32 spec_format = 12;', 'string colour = 1000;'),
  field('events.proto', '    ExpertRetired expert_retired = 6;', 'ModelPublished model_praised = 1000;'),
  field('events.proto', '  repeated string experts = 5;', 'string region = 1000;'),
  field('jobs.proto', '  map<string, string> trace = 14;', 'string planet = 1000;'),
  // Reasons.
  {
    file: 'shared/errors.ts',
    find: "  FORMAT_NEWER: 'UNAVAILABLE',",
    replace: "  FORMAT_NEWER: 'UNAVAILABLE',\n  FROM_TOMORROW: 'FAILED_PRECONDITION',",
  },
  {
    file: 'services/inference/generate.ts',
    find: '  const sampling = checkSampling(request.sampling, bounds);',
    replace:
      "  const sampling = checkSampling(request.sampling, bounds);\n  if (sampling.plan.temperature === 99) throw new ZmeshError('FROM_TOMORROW', 'too hot', { limit: 98 });",
  },
  {
    file: 'services/inference/generate.ts',
    find: "import { inRange } from '#shared/field.js';",
    replace: "import { ZmeshError } from '#shared/errors.js';\nimport { inRange } from '#shared/field.js';",
  },
  // The mood of an expert is part of its version.
  { file: 'shared/svf/version.ts', find: 'const SPEC_FORMAT = 1;', replace: 'const SPEC_FORMAT = 2;' },
  {
    file: 'shared/svf/version.ts',
    find: '  putMixture(spec, put);\n  return',
    replace: "  putMixture(spec, put);\n  if (spec.mood !== '') put('mood'.concat(spec.mood));\n  return",
  },
  {
    file: 'services/expert-registry/registry.ts',
    find: '      recordBytes: BigInt(record.length),',
    replace:
      "      recordBytes: BigInt(record.length),\n      specFormat: spec.mood === '' ? 0 : 2,\n      colour: 'blue',",
  },
  {
    file: 'shared/experts/publish.ts',
    find: '        mixture: undefined,\n',
    replace: "        mixture: undefined,\n        mood: '',\n",
  },
  {
    file: 'shared/events/subjects.ts',
    find: "    case 'modelPublished':",
    replace: "    case 'modelPraised':\n    case 'modelPublished':",
  },
  // Records in the least format that is enough.
  { file: 'services/expert-registry/records.ts', find: 'const FORMAT = 1;', replace: 'const FORMAT = 2;' },
  {
    file: 'services/expert-registry/records.ts',
    find: '{ format: FORMAT, ...body }',
    replace: "{ format: record.kind === 'version' && record.expert.specFormat > 1 ? FORMAT : 1, ...body }",
  },
  {
    file: 'services/expert-registry/records.ts',
    find: '  if (body.format !== FORMAT) throw',
    replace: '  if (body.format !== 1 && body.format !== FORMAT) throw',
  },
  {
    file: 'services/expert-registry/watch.ts',
    find: '    for (const event of presentState(view)) {',
    replace:
      "    const praise = { $case: 'modelPraised' as const, value: { model: 'octo-nano', fingerprint: '' } };\n    yield message(seen, { revision: BigInt(seen), time: undefined, change: praise }, false);\n    for (const event of presentState(view)) {",
  },
  // Announcements say more, in the same format.
  {
    file: 'services/inference/presence.ts',
    find: '    format: PRESENCE_FORMAT,',
    replace: "    format: PRESENCE_FORMAT,\n    region: 'north',",
  },
  // Jobs of a new kind are of a new format, others as before.
  {
    file: 'services/trainer/jobs/job.ts',
    find: '  if (format === JOB_FORMAT) return;',
    replace: '  if (format === JOB_FORMAT || format === 2) return;',
  },
  {
    file: 'services/trainer/jobs/requests.ts',
    find: '    format: JOB_FORMAT,',
    replace: "    format: requestId.startsWith('tomorrow') ? 2 : JOB_FORMAT,\n    planet: 'mars',",
  },
  // Models are prepared anew, and the old preparation is read on.
  {
    file: 'services/inference/model/prepared.ts',
    find: 'export const PREPARED_FORMAT = 1;',
    replace: 'export const PREPARED_FORMAT: number = 2;',
  },
  {
    file: 'services/inference/model/load.ts',
    find: '  if (model.format !== PREPARED_FORMAT)\n',
    replace: '  if (model.format !== PREPARED_FORMAT && model.format !== 1)\n',
  },
];
