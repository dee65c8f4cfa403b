// Unpacks the browser of the npm package into the folder for temporary files, and prints what to start.
// The package brings the libraries that Chromium needs too, but unpacks them only where it takes the machine for the one it is made for.
'use strict'
process.env.AWS_EXECUTION_ENV = 'AWS_Lambda_nodejs22.x'
import('@sparticuz/chromium').then(m => m.default.executablePath()).then(path => console.log(path))
