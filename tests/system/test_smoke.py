import time
from tests.system.running import Running
from tests.system.holdings import COUNT
def test_q(federation: Running) -> None:
    t = time.time()
    with federation.connect() as con:
        r = con.sql(COUNT).run(lambda p: print(round(time.time()-t,2), p.step, p.party, p.done, p.total))
    print(r, time.time()-t)
    ran = federation.query(COUNT)
    print(ran)
    t=time.time(); federation.heal(); print("heal", time.time()-t)
