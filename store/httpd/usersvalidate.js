function (newDoc, oldDoc, userCtx, secObj) {
  function refuse(reason) { throw({forbidden: reason}); }
  function has(list, value) { return !!list && list.indexOf(value) >= 0; }
  var serverAdmin = has(userCtx.roles, '_admin');

  if (newDoc._deleted) {
    if (serverAdmin || (oldDoc && userCtx.name && oldDoc.name === userCtx.name)) { return; }
    refuse('Only admins may delete other user docs.');
  }

  if (newDoc.type !== 'user') { refuse('doc.type must be user'); }
  if (typeof newDoc.name !== 'string' || !newDoc.name) { refuse('doc.name is required'); }
  if (newDoc.roles === undefined) { refuse('doc.roles must exist'); }
  if (!isArray(newDoc.roles)) { refuse('doc.roles must be an array'); }
  if (!newDoc.roles.every(function (role) { return typeof role === 'string'; })) { refuse('doc.roles can only contain strings'); }
  if (newDoc._id !== 'org.couchdb.user:' + newDoc.name) { refuse('Doc ID must be of the form org.couchdb.user:name'); }

  var scheme = newDoc.password_scheme;
  if (newDoc.password_sha && !newDoc.salt) { refuse('Users with password_sha must have a salt.'); }
  if (scheme && !has(['simple', 'pbkdf2', 'bcrypt'], scheme)) { refuse('Password scheme `' + scheme + '` not supported.'); }
  if (scheme === 'pbkdf2') {
    if (typeof newDoc.iterations !== 'number') { refuse('iterations must be a number.'); }
    if (typeof newDoc.derived_key !== 'string') { refuse('derived_key must be a string.'); }
  }

  if (oldDoc && oldDoc.name !== newDoc.name) { refuse('Usernames can not be changed.'); }
  var admins = (secObj && secObj.admins) || {};
  var admin = serverAdmin || has(admins.names, userCtx.name) || userCtx.roles.some(function (role) { return has(admins.roles, role); });
  if (!admin && oldDoc) {
    if (userCtx.name !== newDoc.name) { refuse('You may only update your own user document.'); }
    var before = (oldDoc.roles || []).slice().sort(), after = newDoc.roles.slice().sort();
    if (before.length !== after.length || before.some(function (role, i) { return role !== after[i]; })) { refuse('Only _admin may edit roles'); }
  } else if (!admin && newDoc.roles.length > 0) {
    refuse('Only _admin may set roles');
  }

  if (newDoc.roles.some(function (role) { return role.charAt(0) === '_' && role !== '_metrics'; })) {
    refuse('No system roles (starting with underscore) in users db.');
  }
  if (newDoc.name.charAt(0) === '_') { refuse('Username may not start with underscore.'); }
  if (newDoc.name.indexOf(':') >= 0) { refuse('Character `:` is not allowed in usernames.'); }
}
