/* No intrinsics: vectors that the compiler cuts into the registers that it has (GCC and clang), or loops of fixed
 * length. Included by lanes.h. */
namespace cyroi {

static const int kRegisters = 16, kTogether = 4, kVectorsAtOnce = 3;

#if defined(__GNUC__)
template <class T>
struct Plain {
    typedef T Vector __attribute__((vector_size(64)));
    typedef T Unaligned __attribute__((vector_size(64), aligned(sizeof(T)), may_alias));
};
#else
template <class T>
struct Plain {
    struct Vector {
        T e[64 / sizeof(T)];
        T& operator[](index i) { return e[i]; }
        T operator[](index i) const { return e[i]; }
        Vector operator*(const Vector& b) const {
            Vector v;
            for (index i = 0; i < static_cast<index>(64 / sizeof(T)); ++i) v.e[i] = e[i] * b.e[i];
            return v;
        }
        Vector operator+(const Vector& b) const {
            Vector v;
            for (index i = 0; i < static_cast<index>(64 / sizeof(T)); ++i) v.e[i] = e[i] + b.e[i];
            return v;
        }
    };
    typedef Vector Unaligned;
};
#endif

template <class A>
struct PlainLanes : StoreOneByOne<PlainLanes<A>, A> {
    typedef typename Plain<A>::Vector Vector;
    typedef int Integer;
    typedef NoBins Few;
    typedef NoBins Bins;
    static const int count = static_cast<int>(64 / sizeof(A));
    static const bool permutes = false, whole = true, streams = false;
    using StoreOneByOne<PlainLanes<A>, A>::store_part;

    static Vector set(A a) {
        Vector v;
        for (index i = 0; i < count; ++i) v[i] = a;
        return v;
    }
    static Vector mul(const Vector& a, const Vector& b) { return a * b; }
    static Vector add(const Vector& a, const Vector& b) { return a + b; }
    static Vector fma(const Vector& a, const Vector& b, const Vector& c) { return a * b + c; }
    static Vector only(const Vector& a, const Vector& where) {
        Vector v = set(0);
        for (index i = 0; i < count; ++i) v[i] = where[i] != 0 ? a[i] : A(0);
        return v;
    }
    static A sum(const Vector& a) {
        A values[count];
        store(values, a);
        return sum_by_halves(values, count);
    }

    static void sum_each(const Vector (&v)[8], index n, A* sums) {
        for (index i = 0; i < n; ++i) sums[i] = sum(v[i]);
    }

    static Vector load(const A* p) { return *reinterpret_cast<const typename Plain<A>::Unaligned*>(p); }
    template <class S>
    static Vector load(const S* p) {
        return load_part(p, count);
    }
    static Vector load_part(const A* p, index n) {
        if (n == count) return load(p);
        Vector v = set(0);
        for (index i = 0; i < n; ++i) v[i] = p[i];
        return v;
    }
    template <class S>
    static Vector load_part(const S* p, index n) {
        Vector v = set(0);
        for (index i = 0; i < n; ++i) v[i] = value_of(p[i]);
        return v;
    }
    static void store(A* p, const Vector& v) { *reinterpret_cast<typename Plain<A>::Unaligned*>(p) = v; }
    static void stream(A* p, const Vector& v) { store(p, v); }
    static void store_part(A* p, const Vector& v, index n) {
        if (n == count) return store(p, v);
        for (index i = 0; i < n; ++i) p[i] = v[i];
    }
};

template <>
struct Lanes<float> : PlainLanes<float> {};
template <>
struct Lanes<double> : PlainLanes<double> {};

}  // namespace cyroi
