import { openSync, writeSync } from "node:fs";
import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";
import type { Report } from "../report.js";

/** Tells each test's outcome, as it is known, to who started the machine. */
export default class MachineReporter implements Reporter {
  readonly #channel = openSync("/dev/virtio-ports/results", "w");

  onTestCaseResult(testCase: TestCase): void {
    const { state, errors = [] } = testCase.result();
    const name = `${testCase.module.relativeModuleId} > ${testCase.fullName}`;
    this.#tell({ type: "test", name, state, ms: Math.round(testCase.diagnostic()?.duration ?? 0), errors: errors.map(textOf) });
  }

  /** What goes wrong before the first test of a suite, or after its last. */
  onTestSuiteResult(suite: TestSuite): void {
    const name = `${suite.module.relativeModuleId} > ${suite.fullName}`;
    if (suite.errors().length > 0) this.#tell({ type: "error", name, errors: suite.errors().map(textOf) });
  }

  onTestModuleEnd(module: TestModule): void {
    if (module.errors().length > 0) this.#tell({ type: "error", name: module.relativeModuleId, errors: module.errors().map(textOf) });
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly { readonly stack?: string | undefined; readonly message: string }[]): void {
    if (errors.length > 0) this.#tell({ type: "error", name: "outside of a test", errors: errors.map(textOf) });
  }

  #tell(report: Report): void {
    writeSync(this.#channel, `${JSON.stringify(report)}\n`);
  }
}

function textOf({ stack, message, diff }: { readonly stack?: string | undefined; readonly message: string; readonly diff?: string | undefined }): string {
  return [stack ?? message, diff].filter((part) => part !== undefined).join("\n");
}
