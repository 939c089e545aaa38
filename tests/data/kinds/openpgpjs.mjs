// Writes the keys of this directory that OpenPGP.js makes: version 6, Curve448, Argon2. make does not call it; in a directory with the package openpgp 6:
//
//   npm install openpgp@6 && node openpgpjs.mjs DIRECTORY
import fs from 'node:fs';
import * as openpgp from 'openpgp';

const locked = { passphrase: 'correct horse' };
for (const [name, options, config] of [
  ['openpgpjs', { type: 'curve25519' }, {}],
  ['openpgpjs-448', { type: 'curve448' }, {}],
  ['openpgpjs-v6', { type: 'curve25519' }, { v6Keys: true }],
  ['openpgpjs-v6-448', { type: 'curve448' }, { v6Keys: true }],
  ['openpgpjs-v6-locked', { type: 'curve25519', ...locked }, { v6Keys: true, aeadProtect: true }],
  ['openpgpjs-argon2', { type: 'curve25519', ...locked }, { aeadProtect: true, s2kType: openpgp.enums.s2k.argon2 }],
]) {
  const userIDs = [{ name: 'Anna', email: `${name}@example.org` }];
  const date = new Date('2026-01-01T00:00:00Z');
  const key = await openpgp.generateKey({ userIDs, date, format: 'armored', config, ...options });
  fs.writeFileSync(`${process.argv[2]}/${name}.asc`, key.privateKey);
}
