import { goTool } from './go-tool.mjs';

/** The programs that check the deployment, at exact versions. */
const TOOLS = {
  helm: { name: 'helm', package: 'helm.sh/helm/v3/cmd/helm', version: 'v3.19.5' },
  /** The parser that docker compose itself uses, with its own small command line. */
  compose: { name: 'compose-go', package: 'github.com/compose-spec/compose-go/v2/cmd', version: 'v2.16.2' },
};

/** Path of `helm`, built where it is missing. */
export const helmTool = () => goTool(TOOLS.helm);

/** Path of compose-go's command, built where it is missing. */
export const composeTool = () => goTool(TOOLS.compose);
