/** How long ago an instant is, as kubectl prints ages: `59s`, `2m5s`, `3h`, `5d12h`, `2y`. */
export function ageText(since: string | undefined, nowMs: number): string {
  if (!since) return "<unknown>";
  const seconds = Math.floor((nowMs - Date.parse(since)) / 1_000);
  return Number.isNaN(seconds) ? "<unknown>" : durationText(seconds);
}

/** Seconds in kubectl's short form: the larger the span, the fewer units. */
export function durationText(seconds: number): string {
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return pair(days, "d", hours % 24, "h");
  if (days < 365 * 2) return `${days}d`;
  if (days < 365 * 8) return pair(Math.floor(days / 365), "y", days % 365, "d");
  return `${Math.floor(days / 365)}y`;
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}
