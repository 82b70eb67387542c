/** What a credential may do. Each scope includes the ones before it. */
export const scopes = ["read", "write", "admin"] as const;
export type Scope = typeof scopes[number];
