/** Prints `text` and exits with 0 if the first argument asks for help. */
export function helpIfAsked(text) {
  if (!['--help', '-h'].includes(process.argv[2])) return;
  process.stdout.write(`${text}\n`);
  process.exit(0);
}

/** Tells what is wrong with the arguments in one line and exits with 2. */
export function wrongArguments(fault) {
  process.stderr.write(`error: ${fault}\n`);
  process.exit(2);
}
