/** This machine as npm's packages of programs name it: linux-x64, darwin-arm64, win32-x64. */
export function npmPlatform(): string {
  const { os, arch } = Deno.build;
  return `${os === "windows" ? "win32" : os}-${arch === "aarch64" ? "arm64" : "x64"}`;
}
