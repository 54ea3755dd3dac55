import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Two cores: more workers only fight each other.
    maxWorkers: 2,
    // A hang is told later, and a machine that is busy with something else is no hang: what a test waits for has bounds of its own.
    testTimeout: 150_000,
    hookTimeout: 150_000,
  },
});
