import type { HealthRecord, HealthRecords } from "../../src/engine/health/health-records.js";

/** Outlives the engines that it is given to, as a folder would. */
export class MemoryHealthRecords implements HealthRecords {
  readonly records = new Map<string, HealthRecord>();

  async load(): Promise<ReadonlyMap<string, HealthRecord>> {
    return new Map(this.records);
  }

  async save(id: string, record: HealthRecord): Promise<void> {
    this.records.set(id, record);
  }

  async remove(id: string): Promise<void> {
    this.records.delete(id);
  }
}
