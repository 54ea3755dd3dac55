/** A container to take labels, variables and tags from. */
export const LOG_SOURCE = {
  id: "0123456789ab".padEnd(64, "c"),
  name: "web.1",
  imageId: `sha256:${"d".repeat(64)}`,
  imageName: "shop/web:v1",
  args: ["serve", "--all"],
  labels: { tier: "front", "com.example.team": "red" },
  env: ["PATH=/bin", "STAGE=test"],
};
