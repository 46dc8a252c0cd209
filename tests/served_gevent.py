"""A gevent server that nobody taught to answer SIGTERM; run as a program, with the port."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

from gevent.pywsgi import WSGIServer  # noqa: E402

from tests.served import make_wsgi  # noqa: E402

WSGIServer(("127.0.0.1", int(sys.argv[1])), make_wsgi(), log=None).serve_forever()
