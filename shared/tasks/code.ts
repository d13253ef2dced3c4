import type { Language } from '../sandbox/runtimes.js';

const NAMES: Readonly<Record<Language, readonly string[]>> = {
  python: ['python', 'python3', 'py'],
  javascript: ['javascript', 'js', 'node', 'mjs'],
};
const FENCE = /^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n([\s\S]*?)(?:^[ \t]*```|(?![\s\S]))/gm;

/**
 * The program in an answer: its first fenced block of the language, else its first fenced block, to the closing fence or the
 * end; without an opening fence all text before a closing one (a model that was made to begin inside a block), else all.
 */
export function codeOf(answer: string, language: Language): string {
  const blocks = [...answer.matchAll(FENCE)].map(([, name = '', code = '']) => ({
    name: name.toLowerCase(),
    code,
  }));
  const own = blocks.find(({ name }) => NAMES[language].includes(name));
  const opensInside = /^```[ \t]*$/m.exec(answer);
  // A lone fence opens nothing if text that looks like code stands before it.
  if (!own && opensInside && fenceCount(answer) % 2 === 1) return answer.slice(0, opensInside.index);
  return (own ?? blocks[0])?.code ?? answer;
}

function fenceCount(text: string): number {
  return text.match(/^[ \t]*```/gm)?.length ?? 0;
}

/**
 * The program that is run for an answer: its code, after `prompt` (a signature, imports) where that is given. Code that
 * does not define the function itself goes on where the prompt ends, as HumanEval's completions do.
 */
export function programOf(
  answer: string,
  {
    language,
    prompt,
    entryPoint,
  }: { readonly language: Language; readonly prompt: string; readonly entryPoint: string },
): string {
  const code = codeOf(answer, language);
  if (language === 'javascript') {
    const plain = code.replace(/^export\s+(?:default\s+)?(?=(?:async\s+)?function|const|let|class)/gm, '');
    const defined = new RegExp(
      `\\b(?:function\\*?\\s+${entryPoint}\\b|(?:const|let|var)\\s+${entryPoint}\\s*=)`,
    );
    return defined.test(plain) || /\bexports\b/.test(plain) ? plain : `${prompt}${plain}`;
  }
  const defined = new RegExp(`^(?:async[ \\t]+)?def[ \\t]+${entryPoint}\\b|^${entryPoint}[ \\t]*=`, 'm');
  return defined.test(code) ? `${prompt}\n${code}` : `${prompt}${code}`;
}
