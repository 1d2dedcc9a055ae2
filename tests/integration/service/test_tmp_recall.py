import numpy as np
from tests.integration.service.test_search_ranking import *
def test_recall(gallery):
    for mod in ("CT","MR",None):
        lost=0; n=0; bad=0
        for number in queries(100):
            answer = gallery.ask(Query(gallery.uids[number], k=K, modality=mod))
            d = gallery.distances(number)
            ok = gallery.patients != gallery.patients[number]
            if mod: ok &= gallery.modalities==mod
            kth = np.sort(d[ok])[K-1]
            got = [d[gallery.uids.index(x.sop_instance_uid)] for x in answer.neighbours]
            l = sum(g > kth+1e-6 for g in got); lost+=l; bad += l>0; n+=K
            if answer.method!="hnsw": print("exact!")
        print(mod, "lost", lost, "of", n, "in queries", bad)
