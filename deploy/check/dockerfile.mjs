import { createRequire } from 'node:module';

const { DockerfileParser } = createRequire(import.meta.url)('dockerfile-ast');

/**
 * The stages of a Dockerfile, its ARGs filled in with their defaults.
 *
 * @param {string} text
 * @returns {{ name: string, base: string, steps: { keyword: string, words: string[], from?: string, text: string }[] }[]}
 */
export function stagesOf(text) {
  const stages = [];
  const defaults = new Map();
  const fill = (value) => value.replace(/\$\{(\w+)\}/g, (whole, name) => defaults.get(name) ?? whole);
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const keyword = instruction.getKeyword();
    const words = instruction.getArguments().map((argument) => argument.getValue());
    if (keyword === 'ARG') {
      const [name, ...value] = words[0].split('=');
      defaults.set(name, value.join('='));
    } else if (keyword === 'FROM') {
      stages.push({ name: instruction.getBuildStage() ?? '', base: fill(words[0]), steps: [] });
    } else {
      const from = instruction
        .getFlags?.()
        .find((flag) => flag.getName() === 'from')
        ?.getValue();
      const raw = instruction.getArgumentsContent() ?? '';
      stages
        .at(-1)
        .steps.push({ keyword, words, text: raw.replace(/\\\n\s*/g, ''), ...(from ? { from } : {}) });
    }
  }
  return stages;
}
