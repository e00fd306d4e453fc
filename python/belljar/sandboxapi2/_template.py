"""The configuration file that is there to be filled in."""

TEMPLATE = """\
# Settings of sandboxes, a section for each vendor. What stands here counts where a program says nothing else.
# It may hold keys and passwords: keep it readable by yourself alone.

[DEFAULT]
# Seconds for a connection, and without a byte of an answer.
timeout = 30
# Whether certificates of servers are checked.
verify_ssl = true
# A proxy for all requests.
# proxies = http://127.0.0.1:3128

[cuckoo]
host = localhost
port = 8090
use_https = false
# username =
# password =

[falcon]
host = www.reverse.it
# 100, 110 and 120 are Windows 7 (32 bits, the same hardened, 64 bits), 160 Windows 10, 200 Android, 300 Linux.
environment = 120
# api_key =

[fireeye]
host = localhost
port = 443
# winxp-sp3, win7-sp1 or win7x64-sp1.
environment = winxp-sp3
# Whether the appliance is of version 7.
legacy_api = false
# username =
# password =

[joe]
host = jbxcloud.joesecurity.org
# api_key =

[vmray]
host = cloud.vmray.com
# api_key =

[wildfire]
host = wildfire.paloaltonetworks.com
# api_key =
"""
