/** For flags that may be given several times. */
export const collect = (value: string, values: readonly string[] | undefined): readonly string[] => [...(values ?? []), value];
